// The saved cards: the shopper chooses one, or another card, whose form is shown only then.

import { browser, send, status } from "./sending.js";
import { text } from "./texts.js";

const form = document.getElementById("saved-form");
const button = document.getElementById("pay-saved");
const another = document.getElementById("another-card");
const newCard = document.getElementById("new-card");

function show() {
  newCard.hidden = !another.checked;
  button.hidden = another.checked;
}

form.addEventListener("change", show);
form.addEventListener("submit", (event) => {
  event.preventDefault();
  // Enter in a hidden form's choice would send it.
  if (button.disabled || another.checked) return;
  button.disabled = true;
  status.textContent = text("paying");
  send(form, browser());
});
document.getElementById("another").hidden = false;
show();
// A browser that comes back may have filled in the choice of before.
window.addEventListener("pageshow", show);
