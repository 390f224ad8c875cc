"use strict";
// The provider cannot know which shop frames this page; the receiver checks origin and source window.
if (window.parent !== window) {
  window.parent.postMessage(document.body.dataset.message, "*");
}
