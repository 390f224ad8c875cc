// Let the shopper's bank recognise this device: post a form to the provider in a hidden frame, which answers with
// a message that contains a reference to the collected data.

import { text } from "./texts.js";

const WAIT_MILLISECONDS = 10_000;

let collecting = null;

/** Promise the reference for a card's first digits, or "" if there is none in time. Collect once per value. */
export function deviceData(bin) {
  if (collecting?.bin !== bin) collecting = { bin, reference: collect(bin).catch(() => "") };
  return collecting.reference;
}

// Asynchronous, so that anything that fails here rejects the promise: no device check keeps a shopper from paying.
async function collect(bin) {
  const form = document.getElementById("device-data-form");
  const origin = new URL(form.getAttribute("action")).origin;
  const frame = openFrame(form.target);
  form.elements.Bin.value = bin;
  return new Promise((resolve) => {
    const finish = (reference) => {
      clearTimeout(timer);
      window.removeEventListener("message", hear);
      resolve(reference);
    };
    const hear = (event) => {
      if (event.origin !== origin || event.source !== frame.contentWindow) return;
      const message = read(event.data);
      if (message?.MessageType === "profile.completed") finish(message.Status ? String(message.SessionId ?? "") : "");
    };
    const timer = setTimeout(finish, WAIT_MILLISECONDS, "");
    window.addEventListener("message", hear);
    form.submit();
  });
}

// A new frame each time: sending a form into a used one would add to the browser's history.
function openFrame(name) {
  document.querySelector(`iframe[name="${name}"]`)?.remove();
  const frame = document.createElement("iframe");
  Object.assign(frame, { name, hidden: true, title: text("device_check") });
  document.body.append(frame);
  return frame;
}

function read(data) {
  try {
    return JSON.parse(data);
  } catch {
    return null;
  }
}
