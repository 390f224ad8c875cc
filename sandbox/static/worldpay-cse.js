/*
 * Card encryption in the browser, with the interface of the provider's script:
 *
 *   Worldpay.setPublicKey("sequence#exponent#modulus")   // numbers in hexadecimal; throws on another format
 *   Worldpay.encrypt({cardHolderName, cardNumber, cvc, expiryMonth, expiryYear}, onError)
 *
 * encrypt returns a compact JWE (RSA1_5, A256GCM) at once, or calls onError with an array of codes and returns null.
 * The interface is synchronous and pages may be plain http, so the Web Crypto ciphers cannot be used.
 */
(function (global) {
  "use strict";

  let publicKey = null;

  // ---- Checks, with the provider's codes ----

  const isEmpty = (text) => !/\S/.test(text);

  function hasValidCheckDigit(digits) {
    let sum = 0;
    for (let position = 0; position < digits.length; position++) {
      const digit = Number(digits[digits.length - 1 - position]) * (position % 2 ? 2 : 1);
      sum += digit > 9 ? digit - 9 : digit;
    }
    return sum % 10 === 0;
  }

  function numberError(number) {
    if (isEmpty(number)) return 101;
    if (!/^[0-9]{12,20}$/.test(number)) return 102;
    return hasValidCheckDigit(number) ? 0 : 103;
  }

  function expiryErrors(month, year) {
    const monthError = isEmpty(month) ? 301 : !/^[0-9]{2}$/.test(month) ? 302 : month < 1 || month > 12 ? 303 : 0;
    const yearError = isEmpty(year) ? 304 : !/^[0-9]{4}$/.test(year) ? 305 : 0;
    if (monthError || yearError) return [monthError, yearError];
    const now = new Date();
    const isPast = year * 12 + Number(month) < now.getFullYear() * 12 + now.getMonth() + 1;
    return [isPast ? 306 : 0];
  }

  function validateFields(card) {
    const text = (name) => String(card[name] ?? "");
    const holder = text("cardHolderName");
    return [
      numberError(text("cardNumber")),
      isEmpty(text("cvc")) || /^[0-9]{3,4}$/.test(text("cvc")) ? 0 : 201,
      isEmpty(holder) ? 401 : /^.{1,34}$/.test(holder) ? 0 : 402,
      ...expiryErrors(text("expiryMonth"), text("expiryYear")),
    ].filter((code) => code !== 0);
  }

  // ---- AES-256 (FIPS 197), encryption only ----

  const double = (byte) => ((byte << 1) ^ (byte & 0x80 ? 0x11b : 0)) & 0xff;

  const SBOX = (function () {
    const box = new Uint8Array(256);
    let value = 1;
    let inverse = 1;
    do {
      value ^= double(value); // times 3, a generator of the field
      inverse ^= inverse << 1; // divided by 3
      inverse ^= inverse << 2;
      inverse ^= inverse << 4;
      inverse &= 0xff;
      if (inverse & 0x80) inverse ^= 0x09;
      const rotated = (count) => ((inverse << count) | (inverse >> (8 - count))) & 0xff;
      box[value] = inverse ^ rotated(1) ^ rotated(2) ^ rotated(3) ^ rotated(4) ^ 0x63;
    } while (value !== 1);
    box[0] = 0x63;
    return box;
  })();

  function expandKey(key) {
    const words = [];
    for (let i = 0; i < 8; i++) words.push(key.slice(4 * i, 4 * i + 4));
    let constant = 1;
    for (let i = 8; i < 60; i++) {
      let word = words[i - 1].slice();
      if (i % 8 === 0) {
        word = Uint8Array.of(SBOX[word[1]] ^ constant, SBOX[word[2]], SBOX[word[3]], SBOX[word[0]]);
        constant = double(constant);
      } else if (i % 8 === 4) {
        word = word.map((byte) => SBOX[byte]);
      }
      words.push(word.map((byte, j) => byte ^ words[i - 8][j]));
    }
    return words;
  }

  function encryptBlock(words, block) {
    const addRoundKey = (state, round) => state.map((byte, i) => byte ^ words[4 * round + (i >> 2)][i & 3]);
    const substituteAndShift = (state) => state.map((_, i) => SBOX[state[(i + 4 * (i & 3)) & 15]]);
    const mixColumns = (state) =>
      state.map((byte, i) => {
        const column = i & 12;
        const at = (offset) => state[column | ((i + offset) & 3)];
        return double(byte ^ at(1)) ^ at(1) ^ at(2) ^ at(3);
      });
    let state = addRoundKey(block, 0);
    for (let round = 1; round < 14; round++) state = addRoundKey(mixColumns(substituteAndShift(state)), round);
    return addRoundKey(substituteAndShift(state), 14);
  }

  // ---- Galois/Counter Mode (NIST SP 800-38D) with a 96-bit nonce and a 128-bit tag ----

  const toBigInt = (bytes) => bytes.reduce((value, byte) => (value << 8n) | BigInt(byte), 0n);

  function toBytes(value, length) {
    const bytes = new Uint8Array(length);
    for (let i = length - 1; i >= 0; i--, value >>= 8n) bytes[i] = Number(value & 0xffn);
    return bytes;
  }

  function multiply(left, right) {
    let product = 0n;
    for (let bit = 127n; bit >= 0n; bit--) {
      if ((left >> bit) & 1n) product ^= right;
      right = right & 1n ? (right >> 1n) ^ (0xe1n << 120n) : right >> 1n;
    }
    return product;
  }

  function* blocks(bytes) {
    for (let start = 0; start < bytes.length; start += 16) yield bytes.slice(start, start + 16);
  }

  function gcmEncrypt(key, nonce, additional, plaintext) {
    const words = expandKey(key);
    const counterBlock = (counter) => Uint8Array.of(...nonce, ...toBytes(BigInt(counter), 4));
    const ciphertext = new Uint8Array(plaintext.length);
    let counter = 2;
    for (const block of blocks(plaintext)) {
      const stream = encryptBlock(words, counterBlock(counter));
      ciphertext.set(block.map((byte, i) => byte ^ stream[i]), 16 * (counter - 2));
      counter++;
    }
    const hashKey = toBigInt(encryptBlock(words, new Uint8Array(16)));
    let hash = 0n;
    for (const part of [additional, ciphertext]) {
      for (const block of blocks(part)) {
        hash = multiply(hash ^ (toBigInt(block) << BigInt(8 * (16 - block.length))), hashKey);
      }
    }
    const lengths = (BigInt(8 * additional.length) << 64n) | BigInt(8 * ciphertext.length);
    hash = multiply(hash ^ lengths, hashKey);
    const tag = toBytes(hash ^ toBigInt(encryptBlock(words, counterBlock(1))), 16);
    return { ciphertext, tag };
  }

  // ---- RSA with PKCS #1 v1.5 padding (RFC 8017, 7.2.1) ----

  function randomNonZero(length) {
    const bytes = global.crypto.getRandomValues(new Uint8Array(length));
    return bytes.map((byte) => {
      while (byte === 0) byte = global.crypto.getRandomValues(new Uint8Array(1))[0];
      return byte;
    });
  }

  function rsaEncrypt(message, { exponent, modulus, length }) {
    const padding = randomNonZero(length - message.length - 3);
    let base = toBigInt(Uint8Array.of(0, 2, ...padding, 0, ...message));
    let result = 1n;
    for (let power = exponent; power > 0n; power >>= 1n) {
      if (power & 1n) result = (result * base) % modulus;
      base = (base * base) % modulus;
    }
    return toBytes(result, length);
  }

  // ---- JWE compact serialisation (RFC 7516) ----

  const utf8 = (text) => new TextEncoder().encode(text);

  const base64url = (bytes) =>
    global.btoa(String.fromCharCode(...bytes)).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");

  function seal(plaintext) {
    const header = base64url(
      utf8(
        JSON.stringify({
          alg: "RSA1_5",
          enc: "A256GCM",
          kid: publicKey.sequence,
          "com.worldpay.apiVersion": "1.0",
          "com.worldpay.libVersion": "sandbox",
          "com.worldpay.channel": "javascript",
        }),
      ),
    );
    const key = global.crypto.getRandomValues(new Uint8Array(32));
    const nonce = global.crypto.getRandomValues(new Uint8Array(12));
    const { ciphertext, tag } = gcmEncrypt(key, nonce, utf8(header), utf8(plaintext));
    return [header, ...[rsaEncrypt(key, publicKey), nonce, ciphertext, tag].map(base64url)].join(".");
  }

  // ---- The interface ----

  function setPublicKey(text) {
    const parts = String(text).trim().split("#");
    if (parts.length !== 3 || !parts.slice(1).every((part) => /^[0-9a-fA-F]+$/.test(part))) {
      throw new Error("Malformed public key");
    }
    const [sequence, exponent, modulus] = parts;
    publicKey = {
      sequence,
      exponent: BigInt(`0x${exponent}`),
      modulus: BigInt(`0x${modulus}`),
      length: Math.ceil(modulus.replace(/^0+/, "").length / 2),
    };
  }

  function encrypt(card, onError) {
    const errors = validateFields(card);
    if (errors.length > 0) {
      if (typeof onError === "function") onError(errors);
      return null;
    }
    if (publicKey === null) throw new Error("No public key has been set");
    return seal(JSON.stringify(card));
  }

  global.Worldpay = { setPublicKey, encrypt, validateFields };
})(globalThis);
