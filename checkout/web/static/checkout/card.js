// The card's fields: they are read, encrypted by the provider's script, and marked if they are wrong.

const FIELDS = { 1: "card-number", 2: "card-cvc", 3: "card-expiry", 4: "card-name" };

const EXPIRY_MESSAGE = "Enter the expiry date as month and year, for example 09/29 or 0929.";

// The error codes of the provider's script. The hundreds are the fields listed above.
const MESSAGES = {
  101: "Enter the card number.",
  102: "Enter the card number as digits: 12 to 20 of them.",
  103: "Check the card number: it is not complete or has a wrong digit.",
  201: "Enter the security code: 3 or 4 digits.",
  301: EXPIRY_MESSAGE,
  302: EXPIRY_MESSAGE,
  303: EXPIRY_MESSAGE,
  304: EXPIRY_MESSAGE,
  305: EXPIRY_MESSAGE,
  306: "This card has expired. Check the date or use another card.",
  401: "Enter the name as it is on the card.",
  402: "Enter at most 34 characters of the name.",
};

const input = (name) => document.getElementById(name);

/** Return a field's text with its digits in ASCII: keyboards have Arabic, Persian and full-width ones, too. */
function text(name) {
  const typed = input(name).value.normalize("NFKC");
  return typed.replace(/[\u0660-\u0669\u06f0-\u06f9]/g, (digit) => digit.charCodeAt(0) & 15);
}

const digits = (name) => text(name).replace(/[\s-]/g, "");

/** Return the first six digits, which identify the card's bank; "" if there are fewer. */
export function bin() {
  return /^\d{6}/.exec(digits("card-number"))?.[0] ?? "";
}

/**
 * Return the sealed card. If a field is wrong, mark it, focus it and return "".
 *
 * Throws if the provider's script fails, or if its answer is not one that it documents.
 */
export function seal(publicKey) {
  if (publicKey) Worldpay.setPublicKey(publicKey);
  const wrong = [];
  const sealed = Worldpay.encrypt(card(), (codes) => wrong.push(...codes));
  // The provider's script treats it as optional, but a shopper at the keyboard must enter it.
  if (!digits("card-cvc")) wrong.push(201);
  const known = wrong.filter((code) => MESSAGES[code]);
  mark(known);
  if (known.length < wrong.length) throw new Error(`Unknown error codes: ${wrong}`);
  if (!wrong.length && !sealed) throw new Error("The card was not encrypted.");
  return wrong.length ? "" : sealed;
}

/** Remove a field's error message, because its value has changed. */
export function forget(field) {
  input(field).removeAttribute("aria-invalid");
  input(`${field}-error`).textContent = "";
}

/** Return month and year of an expiry date, with any separator; browsers may fill in the year first. */
function expiry(date) {
  const [, month = "", year = ""] = /^\D*(\d{1,2})\D*(\d{4}|\d{2})\D*$/.exec(date) ?? [];
  const [, longYear = year, itsMonth = month] = /^\D*(\d{4})\D+(\d{1,2})\D*$/.exec(date) ?? [];
  return [itsMonth, longYear];
}

function card() {
  const [month, year] = expiry(text("card-expiry"));
  return {
    cardNumber: digits("card-number"),
    cardHolderName: input("card-name").value.trim(),
    cvc: digits("card-cvc"),
    expiryMonth: month.padStart(2, "0"),
    expiryYear: year.length === 2 ? `20${year}` : year,
  };
}

function mark(codes) {
  const messages = new Map(codes.map((code) => [FIELDS[Math.floor(code / 100)], MESSAGES[code]]));
  for (const field of Object.values(FIELDS)) {
    forget(field);
    if (!messages.has(field)) continue;
    input(`${field}-error`).textContent = messages.get(field);
    input(field).setAttribute("aria-invalid", "true");
  }
  document.querySelector('#pay-form [aria-invalid="true"]')?.focus();
}
