"use strict";
// Sends the page's form at once, except to a person who came back to this page: they may have changed their mind.
{
  const form = document.querySelector("form[data-send-on]");
  const [navigation] = performance.getEntriesByType("navigation");
  if (form.target === "_top") window.top.location.replace(form.action);
  else if (navigation?.type !== "back_forward") form.submit();
}
