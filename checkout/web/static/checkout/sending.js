// What the forms with a card have in common: the browser's data for the bank, and the wait for the answer.

import { text } from "./texts.js";

// The answer is lost if it has not come by then: the shopper has stopped it, or the network was changed under way.
// It is later than the gateway's own answer, so that hardly anybody asks.
const LOST_MS = 10_000;
// If nothing has changed by then, the form may never have arrived: the shopper finds a link out.
const STUCK_MS = 15_000;

export const status = document.getElementById("pay-status");

/** Return the data of this browser, by the names of the form's fields. */
export function browser() {
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

/** Fill in the fields, send the form, and help the shopper on if no answer comes. */
export function send(form, values) {
  for (const [name, value] of Object.entries(values)) form.elements[name].value = value;
  form.submit();
  // From here on it would cancel nothing.
  document.getElementById("way-back").hidden = true;
  setTimeout(() => import("./status.js"), LOST_MS);
  setTimeout(() => {
    status.textContent = text("slow");
    document.getElementById("pay-slow").hidden = false;
  }, STUCK_MS);
}
