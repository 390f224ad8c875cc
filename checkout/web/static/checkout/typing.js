// Fields that arrange what is typed. The caret stays beside the digit that it was beside.

/** Return a text with its digits in ASCII: keyboards have Arabic, Persian and full-width ones, too. */
export function inAscii(text) {
  return text.normalize("NFKC").replace(/[\u0660-\u0669\u06f0-\u06f9]/g, (digit) => digit.charCodeAt(0) & 15);
}

/** Return the digits of a text, whatever separates them. */
export function digitsOf(text) {
  return inAscii(text).replace(/\D/g, "");
}

/** Write a field's digits as `arrange` does, while they are typed, pasted or deleted. */
export function arrangeDigits(field, arrange) {
  let known = digitsOf(field.value);
  whileTyped(field, (inputType) => {
    let digits = digitsOf(field.value);
    let left = digitsOf(field.value.slice(0, field.selectionStart)).length;
    if (digits === known) {
      // Only a gap was deleted, and a gap comes back: the digit beside it is meant.
      if (inputType === "deleteContentBackward" && left) {
        left -= 1;
        digits = digits.slice(0, left) + digits.slice(left + 1);
      } else if (inputType === "deleteContentForward") {
        digits = digits.slice(0, left) + digits.slice(left + 1);
      }
    }
    known = digits;
    write(field, arrange(digits), left);
  });
}

/** Set off the year of an expiry date that is typed without a separator, and drop a separator without a year. */
export function arrangeExpiry(field) {
  whileTyped(field, (inputType) => {
    if (field.selectionStart !== field.value.length) return;
    const typed = inAscii(field.value);
    const isDeleted = inputType.startsWith("delete");
    const text = isDeleted ? typed.replace(/^(\d+)\D+$/, "$1") : typed.replace(/^(0\d|1[0-2])(\d{1,4})$/, "$1 / $2");
    write(field, text, Infinity);
  });
}

/** Call `act` after each change, but not while characters are still being composed. */
function whileTyped(field, act) {
  field.addEventListener("input", (event) => event.isComposing || act(event.inputType ?? ""));
  field.addEventListener("compositionend", () => act(""));
}

// An unchanged value is not written, since writing ends the browser's own undo.
function write(field, text, digitsLeft) {
  if (text === field.value) return;
  field.value = text;
  if (document.activeElement !== field) return;
  let position = 0;
  for (let left = digitsLeft; left > 0 && position < text.length; position += 1) {
    if (/\d/.test(text[position])) left -= 1;
  }
  field.setSelectionRange(position, position);
}
