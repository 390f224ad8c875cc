"""A purchase with the keyboard alone, from the shop through the bank to the result."""

import pytest
from playwright.sync_api import Locator, expect

from tests.browser.flows.books import assert_paid_once
from tests.browser.flows.shopper import CHALLENGED, EXPIRY, TEA, TEA_PRICE, Shopper

pytestmark = pytest.mark.browser

MAX_STEPS = 12
OUTLINE = """() => { const style = getComputedStyle(document.activeElement);
  return style.outlineStyle === "none" ? 0 : parseFloat(style.outlineWidth); }"""


def tab_to(target: Locator) -> None:
    """Move the focus to the target with the Tab key, checking at every step that the focus is visible."""
    page = target.page
    expect(target).to_be_visible()
    for _ in range(MAX_STEPS):
        page.keyboard.press("Tab")
        assert page.evaluate(OUTLINE) >= 2, page.evaluate("document.activeElement.outerHTML")
        if target.evaluate("element => element === document.activeElement"):
            return
    raise AssertionError(f"{target} was not reached within {MAX_STEPS} steps")


def test_a_purchase_with_a_challenge_needs_no_mouse(shopper: Shopper) -> None:
    page = shopper.page
    page.goto(f"{shopper.stack.web_url}/")
    page.keyboard.press("Tab")
    skip = page.get_by_role("link", name="Skip to the content")
    expect(skip).to_be_focused()
    expect(skip).to_be_in_viewport()
    page.keyboard.press("Enter")
    tab_to(page.get_by_role("button", name=f"Buy {TEA}"))
    page.keyboard.press("Enter")

    number = page.get_by_label("Card number")
    expect(number).to_be_visible()
    shopper.reference = page.url.split("/")[-2]
    for label, value in (
        ("Card number", CHALLENGED),
        ("Expiry date", EXPIRY),
        ("Security code", "123"),
        ("Name on card", "A. Shopper"),
    ):
        tab_to(page.get_by_label(label))
        page.keyboard.type(value)
    page.keyboard.press("Enter")

    tab_to(page.get_by_role("button", name="Approve"))
    page.keyboard.press("Enter")
    shopper.is_told_paid()
    tab_to(page.get_by_role("link", name="Back to Example Shop"))
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Your order")
    assert_paid_once(shopper.stack, shopper.reference, *TEA_PRICE)
