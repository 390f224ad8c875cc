"use strict";

// Warn before the session of a member of staff ends, on pages with a form that would be lost with it. The
// server says for how many seconds the session lasts, and lengthens it when it is asked.
{
  const { seconds, address } = document.currentScript.dataset;
  const WARNING_MS = 120_000;
  const ROUNDING_MS = 2000; // the server tells whole seconds, and its answer takes a moment
  const LOOK_EVERY_MS = 1000; // one long timer would stand still while the computer sleeps
  const ANSWER_MS = 15_000;
  const WITHOUT_BUTTON = ["at-the-limit", "over"];

  const box = document.getElementById("session-warning");
  const button = box?.querySelector("button");
  // The pages of this browser share one session, so each tells the others how long it lasts.
  const others = "BroadcastChannel" in window ? new BroadcastChannel("checkout-session") : null;
  let end = 0;
  let shown = "";
  let focusedBefore = null;

  function lastsFor(left) {
    end = Date.now() + left * 1000;
    others?.postMessage(end);
  }

  function scrollAboveTheBox(field) {
    if (field !== document.body) field.scrollIntoView({ block: "nearest" });
  }

  // Show one of the texts, or nothing. The focus does not stay on a button that has gone.
  function show(text) {
    const hadFocus = box.contains(document.activeElement);
    for (const each of box.querySelectorAll("p")) each.hidden = each.className !== text;
    button.hidden = WITHOUT_BUTTON.includes(text);
    box.hidden = !text;
    shown = text;
    if (hadFocus && (box.hidden || button.hidden)) focusedBefore?.focus();
    else if (text) scrollAboveTheBox(document.activeElement);
  }

  function look() {
    const left = end - Date.now();
    if (left > WARNING_MS) {
      if (shown) show("");
    } else if (left <= 0) {
      if (shown !== "over") show("over");
    } else if (!shown || shown === "over") {
      show(left > WARNING_MS - 10 * LOOK_EVERY_MS ? "soon" : "sooner");
    }
  }

  async function stay() {
    const controller = new AbortController();
    const limit = setTimeout(() => controller.abort(), ANSWER_MS);
    const before = end;
    button.setAttribute("aria-disabled", "true");
    try {
      // After the end of the session, the answer would lead to the log-in.
      const response = await fetch(address, { redirect: "error", cache: "no-store", signal: controller.signal });
      if (!response.ok) throw new Error(response.statusText);
      lastsFor((await response.json()).seconds);
      if (end - Date.now() > WARNING_MS) show("");
      else show(end - before > ROUNDING_MS ? "sooner" : "at-the-limit");
    } catch {
      show("failed");
    } finally {
      clearTimeout(limit);
      button.removeAttribute("aria-disabled");
    }
  }

  lastsFor(Number(seconds));
  if (box) {
    others?.addEventListener("message", (event) => { end = event.data; });
    box.addEventListener("focusin", ({ relatedTarget }) => {
      if (!box.contains(relatedTarget)) focusedBefore = relatedTarget;
    });
    button.addEventListener("click", () => { if (!button.hasAttribute("aria-disabled")) stay(); });
    setInterval(look, LOOK_EVERY_MS);
    look();
  }
}
