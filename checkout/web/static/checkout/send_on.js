"use strict";

function leaveFrame(address) {
  try {
    window.top.location.replace(address);
  } catch {
    // The page around the frame is not ours, but a bank's: then browsers wait for a press of the button.
  }
}

function showReturn() {
  const cameBack = document.getElementById("came-back");
  if (!cameBack) return;
  document.getElementById("going").hidden = true;
  cameBack.hidden = false;
}

// A page that the browser has kept is shown again without being loaded.
window.addEventListener("pageshow", ({ persisted }) => {
  if (persisted) showReturn();
});

// Submit the page's form at once, unless a person came back to this page, perhaps with second thoughts.
{
  const form = document.querySelector("form[data-send-on]");
  const [navigation] = performance.getEntriesByType("navigation");
  if (form.target === "_top") leaveFrame(form.action);
  else if (navigation?.type === "back_forward") showReturn();
  else form.submit();
}
