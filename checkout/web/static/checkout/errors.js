// What is wrong with the form: beside each field, and in a summary above it that leads to the fields.

import { text } from "./texts.js";

const summary = document.getElementById("errors");
const list = summary.querySelector("ul");
const title = document.title;

/** Say what is wrong with a field, at the field itself. */
export function mark(name, message) {
  const field = document.getElementById(name);
  document.getElementById(`${name}-error`).textContent = message;
  field.setAttribute("aria-invalid", "true");
}

/** Remove what was said about a field, because its value has changed. */
export function unmark(name) {
  const field = document.getElementById(name);
  field.removeAttribute("aria-invalid");
  document.getElementById(`${name}-error`).textContent = "";
  list.querySelector(`[href="#${name}"]`)?.parentElement.remove();
  if (!list.children.length) closeSummary();
}

/** Mark all fields that are wrong, list them above the form, and move the focus to the list. */
export function summarise(wrong) {
  for (const [name, message] of wrong) mark(name, message);
  list.replaceChildren(...[...wrong].map(([name, message]) => item(name, message)));
  summary.hidden = false;
  document.title = text("error_title", { title });
  summary.focus();
}

function item(name, message) {
  const link = Object.assign(document.createElement("a"), { href: `#${name}`, textContent: message });
  link.addEventListener("click", (event) => {
    event.preventDefault();
    document.getElementById(name).focus();
  });
  const entry = document.createElement("li");
  entry.append(link);
  return entry;
}

function closeSummary() {
  summary.hidden = true;
  document.title = title;
}
