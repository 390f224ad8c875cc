// A decided payment: nothing of its card is kept in this window, and the shopper goes back to the shop.

import { take } from "./kept.js";

const RETURN_MS = 8000;

take();

/** Return true once for a payment in this window, so that Back from the shop leads to this page. */
function isFirstTime(payment) {
  const key = `returned ${payment}`;
  try {
    if (sessionStorage.getItem(key)) return false;
    sessionStorage.setItem(key, "yes");
    return true;
  } catch {
    return false; // a browser without storage: the shopper follows the link
  }
}

const returning = document.getElementById("returning");
if (returning && isFirstTime(returning.dataset.payment)) {
  const timer = setTimeout(() => location.assign(returning.dataset.address), RETURN_MS);
  returning.hidden = false;
  const stay = () => {
    clearTimeout(timer);
    returning.hidden = true;
  };
  returning.querySelector("button").addEventListener("click", stay);
  // Who follows another link, or prints, is not disturbed.
  window.addEventListener("pagehide", stay);
  window.addEventListener("beforeprint", stay);
}
