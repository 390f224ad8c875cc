// The brands of cards: their first digits, lengths, and the groups in which a card shows its number.

const upTo = (first, last) => Array.from({ length: last - first + 1 }, (_, index) => first + index);

const IN_FOURS = [4, 8, 12, 16];

// The first whose digits fit is the brand: Maestro has what the others leave of 5 and 6.
const BRANDS = [
  { name: "Visa", starts: /^4/, lengths: [16, 18, 19] },
  { name: "Mastercard", starts: /^(5[1-5]|222[1-9]|22[3-9]|2[3-6]|27[01]|2720)/, lengths: [16] },
  {
    name: "American Express",
    starts: /^3[47]/,
    lengths: [15],
    gaps: [4, 10],
    codeLength: 4,
  },
  { name: "Diners Club", starts: /^3(0[0-5]|[689])/, lengths: [14, 16, 19], gaps: [4, 10] },
  { name: "Discover", starts: /^(6011|64[4-9]|65)/, lengths: [16, 19] },
  { name: "JCB", starts: /^(2131|1800|352[89]|35[3-8])/, lengths: upTo(16, 19) },
  { name: "UnionPay", starts: /^(62|81)/, lengths: upTo(14, 19) },
  { name: "Maestro", starts: /^(5[06-9]|6)/, lengths: upTo(12, 19) },
];

const UNKNOWN = { name: "", lengths: upTo(12, 20), gaps: IN_FOURS, codeLength: 0 };

/** Return the brand of a number, or of its first digits. The name of an unknown one is "". */
export function brandOf(digits) {
  const found = BRANDS.find(({ starts }) => starts.test(digits));
  return found ? { gaps: IN_FOURS, codeLength: 3, ...found } : UNKNOWN;
}

/**
 * Return false for a brand that is not among the accepted names.
 *
 * Cards of brands that no first digits tell, such as Cartes Bancaires, begin like a Visa or a Mastercard.
 */
export function isAccepted({ name }, accepted) {
  const areTold = accepted.every((each) => BRANDS.some((brand) => brand.name === each));
  return !accepted.length || !name || !areTold || accepted.includes(name);
}

/** Return the digits with the gaps that the card has. */
export function grouped(digits) {
  const { gaps } = brandOf(digits);
  return [...digits].map((digit, index) => (gaps.includes(index) ? ` ${digit}` : digit)).join("");
}
