"use strict";
// The provider does not know which shop frames this page, so the receiver checks origin and source window.
if (window.parent !== window) {
  window.parent.postMessage(document.body.dataset.message, "*");
}
