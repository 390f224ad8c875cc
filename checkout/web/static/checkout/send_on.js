"use strict";
// Submit the page's form at once, unless a person came back to this page, perhaps with second thoughts.
{
  const form = document.querySelector("form[data-send-on]");
  const [navigation] = performance.getEntriesByType("navigation");
  if (form.target === "_top") window.top.location.replace(form.action);
  else if (navigation?.type !== "back_forward") form.submit();
}
