// The card form: the card is encrypted here, and only the encrypted card is sent, once.

import { attend, bin, seal } from "./card.js";
import { deviceData } from "./device_data.js";
import { fillInAgain, keep } from "./kept.js";
import { browser, send, status } from "./sending.js";
import { text } from "./texts.js";

const form = document.getElementById("pay-form");
const button = document.getElementById("pay");
const wayBack = document.getElementById("way-back");

// The shopper has turned away while the device check was waited for: then nothing is sent any more.
let isLeaving = false;
const leave = () => {
  isLeaving = true;
};

/** Return the sealed card; "" if a field is wrong, or the card cannot be encrypted here. */
function sealed() {
  try {
    return seal(form.dataset.publicKey);
  } catch {
    status.textContent = text("not_encrypted");
    return "";
  }
}

async function pay(event) {
  event.preventDefault();
  if (button.disabled) return;
  isLeaving = false;
  status.textContent = "";
  const card = sealed();
  if (!card) return;
  button.disabled = true;
  status.textContent = text("paying");
  const values = { encrypted_card: card, device_data_reference: await deviceData(bin()), ...browser() };
  if (isLeaving) {
    button.disabled = false;
    status.textContent = text("not_paid");
    return;
  }
  keep(form.action);
  send(form, values);
}

document.getElementById("loading").hidden = true;
if (globalThis.Worldpay) {
  form.hidden = false;
  form.addEventListener("submit", pay);
  fillInAgain(form.action);
  attend(form, form.dataset.publicKey);
  // Start the device check now: it is usually done by the time the rest is filled in.
  document.getElementById("card-number").addEventListener("change", () => bin() && deviceData(bin()));
  wayBack.addEventListener("click", leave);
  window.addEventListener("pagehide", leave);
} else {
  document.getElementById("no-encryption").hidden = false;
}

// A page from the back/forward cache may show an outdated state of the payment, so load it again.
window.addEventListener("pageshow", (event) => event.persisted && location.reload());
