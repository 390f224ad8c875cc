"use strict";

// Read a chosen file into a field of the form. Without this script, its lines are pasted there.
{
  const input = document.querySelector("input[data-fills]");
  if (input) {
    input.closest("[hidden]").hidden = false;
    input.addEventListener("change", async () => {
      const [file] = input.files;
      if (file) document.getElementById(input.dataset.fills).value = await file.text();
    });
  }
}
