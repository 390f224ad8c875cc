// The texts of the scripts, in the language of the page, which has them as JSON.

const texts = JSON.parse(document.getElementById("texts").textContent);

/** Return a text of the page's language. The names in braces are replaced by their values. */
export function text(name, values = {}) {
  return texts[name].replace(/{(\w+)}/g, (_, value) => values[value]);
}
