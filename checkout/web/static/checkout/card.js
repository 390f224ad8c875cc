// The card's fields: they are arranged while typed, checked when left, and encrypted by the provider's script.

import { brandOf, grouped, isAccepted } from "./brands.js";
import { mark, summarise, unmark } from "./errors.js";
import { text } from "./texts.js";
import { arrangeDigits, arrangeExpiry, digitsOf, inAscii } from "./typing.js";

// In the order of the form, by the hundreds of the error codes of the provider's script.
const FIELDS = new Map([
  [1, "card-number"],
  [3, "card-expiry"],
  [2, "card-cvc"],
  [4, "card-name"],
]);

const MESSAGES = {
  101: "number_missing",
  102: "number_not_digits",
  103: "number_wrong",
  201: "code_missing",
  301: "expiry_wrong",
  302: "expiry_wrong",
  303: "expiry_wrong",
  304: "expiry_wrong",
  305: "expiry_wrong",
  306: "expired",
  401: "name_missing",
  402: "name_too_long",
};

const acceptedBrands = () => document.getElementById("pay-form").dataset.accepted.split("|").filter(Boolean);

// A year that is further away comes from a digit too many or too few.
const MOST_YEARS_AHEAD = 40;

const input = (name) => document.getElementById(name);
const digits = (name) => digitsOf(input(name).value);

/** Return the first six digits, which identify the card's bank; "" if there are fewer. */
export function bin() {
  return /^\d{6}/.exec(digits("card-number"))?.[0] ?? "";
}

/**
 * Return the sealed card. If a field is wrong, say so at each field and in the summary, and return "".
 *
 * Throws if the provider's script fails, or if its answer is not one that it documents.
 */
export function seal(publicKey) {
  const { sealed, wrong } = examine(publicKey);
  for (const name of FIELDS.values()) unmark(name);
  if (wrong.size) summarise(wrong);
  return wrong.size ? "" : sealed;
}

/** Arrange the fields while they are typed, and check each when it is left. */
export function attend(form, publicKey) {
  arrangeDigits(input("card-number"), grouped);
  arrangeExpiry(input("card-expiry"));
  form.addEventListener("input", ({ target }) => {
    if (isOurs(target)) unmark(target.id);
    if (target.id === "card-number") {
      showBrand();
      if (digits("card-cvc")) unmark("card-cvc"); // another brand may have another code
    }
  });
  form.addEventListener("focusout", ({ target }) => {
    if (isOurs(target)) afterPress(() => check(target, publicKey));
  });
  showBrand();
}

const isOurs = (field) => [...FIELDS.values()].includes(field.id);

// A message that appears while a button is pressed would move the button away from under the finger.
let isPressed = false;
document.addEventListener("pointerdown", () => (isPressed = true), true);
for (const end of ["pointerup", "pointercancel"]) document.addEventListener(end, () => (isPressed = false), true);

function afterPress(act) {
  if (!isPressed) return act();
  return document.addEventListener("pointerup", () => setTimeout(act), { once: true });
}

// An empty field is no mistake before Pay is pressed.
function check(field, publicKey) {
  if (!field.value.trim()) return;
  if (field.id === "card-expiry") {
    const [month, year] = expiry();
    if (year) field.value = `${month} / ${year.slice(2)}`;
  }
  try {
    const message = examine(publicKey).wrong.get(field.id);
    if (message) mark(field.id, message);
  } catch {
    // That the provider's script fails is said when Pay is pressed.
  }
}

function examine(publicKey) {
  if (publicKey) Worldpay.setPublicKey(publicKey);
  const codes = [];
  const sealed = Worldpay.encrypt(card(), (found) => codes.push(...found));
  if (codes.some((code) => !MESSAGES[code])) throw new Error(`Unknown error codes: ${codes}`);
  if (!codes.length && !sealed) throw new Error("The card was not encrypted.");
  const found = new Map(codes.map((code) => [FIELDS.get(Math.floor(code / 100)), text(MESSAGES[code])]));
  const all = new Map([...found, ...unknownToTheScript(found)]);
  const wrong = new Map([...FIELDS.values()].filter((name) => all.has(name)).map((name) => [name, all.get(name)]));
  return { sealed, wrong };
}

/** Return what the provider's script lets pass: it treats the code as optional, and knows no brands. */
function unknownToTheScript(found) {
  const wrong = new Map();
  const number = digits("card-number");
  const brand = brandOf(number);
  const code = digits("card-cvc");
  if (number && brand.name && !brand.lengths.includes(number.length)) {
    const [least, most] = [brand.lengths[0], brand.lengths.at(-1)];
    const length = least === most ? least : text("from_to", { least, most });
    wrong.set("card-number", text("number_length", { brand: brand.name, digits: length }));
  }
  if (number && !isAccepted(brand, acceptedBrands())) wrong.set("card-number", text("brand_not_accepted", { brand: brand.name }));
  if (!code) wrong.set("card-cvc", text("code_missing"));
  else if (brand.codeLength && code.length !== brand.codeLength) {
    wrong.set("card-cvc", text(`code_wrong_${brand.codeLength}`));
  }
  const year = Number(expiry()[1]);
  if (!found.has("card-expiry") && year > new Date().getFullYear() + MOST_YEARS_AHEAD) {
    wrong.set("card-expiry", text("expiry_wrong"));
  }
  return wrong;
}

function showBrand() {
  const brand = brandOf(digits("card-number"));
  input("card-brand").textContent = brand.name;
  input("card-cvc-hint").textContent = text(brand.name ? `code_hint_${brand.codeLength}` : "code_hint");
}

/** Return month and year of the expiry date, with any separator; browsers may fill in the year first. */
function expiry() {
  const date = inAscii(input("card-expiry").value);
  const [, month = "", year = ""] = /^\D*(\d{1,2})\D*(\d{4}|\d{2})\D*$/.exec(date) ?? [];
  const [, longYear = year, itsMonth = month] = /^\D*(\d{4})\D+(\d{1,2})\D*$/.exec(date) ?? [];
  return [itsMonth.padStart(2, "0"), longYear.length === 2 ? `20${longYear}` : longYear];
}

function card() {
  const [expiryMonth, expiryYear] = expiry();
  return {
    cardNumber: digits("card-number"),
    cardHolderName: input("card-name").value.trim(),
    cvc: digits("card-cvc"),
    expiryMonth,
    expiryYear,
  };
}
