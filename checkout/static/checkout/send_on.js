"use strict";
// Sends the page's form at once, except to a person who came back to this page: they may have changed their mind.
{
  const [navigation] = performance.getEntriesByType("navigation");
  if (navigation?.type !== "back_forward") document.querySelector("form[data-send-on]").submit();
}
