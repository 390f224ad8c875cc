// The card form: the card is encrypted here, and only the encrypted card is sent, once.

import { attend, bin, seal } from "./card.js";
import { deviceData } from "./device_data.js";
import { fillInAgain, keep } from "./kept.js";
import { text } from "./texts.js";

const form = document.getElementById("pay-form");
const button = document.getElementById("pay");
const status = document.getElementById("pay-status");
const wayBack = document.getElementById("way-back");
// The answer is lost if it has not come by then: the shopper has stopped it, or the network was changed under way.
// It is later than the gateway's own answer, so that hardly anybody asks.
const LOST_MS = 10_000;
// If nothing has changed by then, the form may never have arrived: the shopper finds a link out.
const STUCK_MS = 15_000;

// The shopper has turned away while the device check was waited for: then nothing is sent any more.
let isLeaving = false;
const leave = () => {
  isLeaving = true;
};

function browser() {
  return {
    browser_language: navigator.language,
    browser_colour_depth: screen.colorDepth,
    // Zoomed or scaled, some browsers have parts of pixels.
    browser_screen_height: Math.round(screen.height),
    browser_screen_width: Math.round(screen.width),
    browser_time_zone: Math.round(new Date().getTimezoneOffset()),
    browser_java_enabled: navigator.javaEnabled?.() ? "true" : "",
    browser_javascript_enabled: "true",
  };
}

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
  for (const [name, value] of Object.entries(values)) form.elements[name].value = value;
  keep(form.action);
  form.submit();
  // From here on it would cancel nothing.
  wayBack.hidden = true;
  setTimeout(() => import("./status.js"), LOST_MS);
  setTimeout(() => {
    status.textContent = text("slow");
    document.getElementById("pay-slow").hidden = false;
  }, STUCK_MS);
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
