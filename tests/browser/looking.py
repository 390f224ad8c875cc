"""Checks of a page for people with narrow screens, weak eyes, keyboards or screen readers."""

from playwright.sync_api import Page

# WCAG 2.2, success criterion 1.4.3: the contrast ratio of a text and its background.
TOO_FAINT = """() => {
  const rgb = (colour) => colour.match(/[\\d.]+/g).map(Number);
  const luminance = (colour) => {
    const [r, g, b] = rgb(colour).map((value) => value / 255)
      .map((value) => (value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const colour = getComputedStyle(at).backgroundColor;
      if (rgb(colour)[3] !== 0) return colour;
    }
    return "rgb(255, 255, 255)";
  };
  const faint = [];
  for (const element of document.querySelectorAll("body *")) {
    const hasText = [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim());
    if (!hasText || !element.checkVisibility() || element.matches(":disabled, noscript, .skip")) continue;
    const both = [getComputedStyle(element).color, behind(element)].map(luminance);
    const ratio = (Math.max(...both) + 0.05) / (Math.min(...both) + 0.05);
    if (ratio < 4.5) faint.push(`${element.textContent.trim().slice(0, 40)}: ${ratio.toFixed(2)}`);
  }
  return faint;
}"""

# 2.5.8: a target is at least 24 by 24 CSS pixels, unless it is a link within a sentence or list.
TOO_SMALL = """() => [...document.querySelectorAll("button, input:not([type=hidden]), a.button")]
  .filter((element) => element.checkVisibility())
  .map((element) => [element.getBoundingClientRect(), element.outerHTML])
  .filter(([box]) => box.width < 24 || box.height < 24)
  .map(([, html]) => html)"""

# 1.3.1 and 4.1.2: every input has a name, every reference to a description leads somewhere, ids are unique.
UNNAMED = """() => {
  const inputs = [...document.querySelectorAll("input:not([type=hidden], [type=submit])")];
  const ids = [...document.querySelectorAll("[id]")].map((element) => element.id);
  const described = ["aria-describedby", "aria-labelledby"].flatMap((name) =>
    [...document.querySelectorAll(`[${name}]`)].flatMap((element) => element.getAttribute(name).split(" ")));
  return [
    ...inputs.filter((input) => !input.labels.length && !input.ariaLabel).map((input) => input.outerHTML),
    ...described.filter((id) => !document.getElementById(id)),
    ...ids.filter((id, index) => ids.indexOf(id) !== index),
    ...[...document.querySelectorAll("iframe:not([title]), img:not([alt])")].map((found) => found.outerHTML),
  ];
}"""


def assert_accessible(page: Page) -> None:
    """Check all that a program can: names, contrast, sizes, structure, and no sideways scrolling."""
    assert page.evaluate(TOO_FAINT) == []
    assert page.evaluate(TOO_SMALL) == []
    assert page.evaluate(UNNAMED) == []
    assert page.locator("h1:visible").count() == 1
    assert page.locator("main").count() == 1
    assert page.title()
    assert page.locator("html").get_attribute("lang")
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), "scrolls sideways"
