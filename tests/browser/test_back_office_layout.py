"""Nothing in the back office overlaps or is cut off, at any width of the window and with any content."""

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.looking import assert_accessible
from tests.browser.test_back_office import at_work
from tests.browser.trouble import make_trouble
from tests.support.stack import Stack

# The first test starts a whole stack and fills it by another process, hence the long time-out.
pytestmark = [pytest.mark.browser, pytest.mark.timeout(400)]

# The number of action buttons that overlap a heading or the box of reasons below it.
OVERLAPS = """() => {
  const boxes = (found) => [...document.querySelectorAll(found)].map((each) => each.getBoundingClientRect());
  const meet = (a, b) => a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom;
  const words = [...document.querySelectorAll("#content > h1, #content > h2")].map((heading) => {
    const range = document.createRange();
    range.selectNodeContents(heading);
    return range.getBoundingClientRect();
  });
  const taken = [...words, ...boxes(".attention")];
  return boxes(".object-tools li").filter((tool) => taken.some((box) => meet(tool, box))).length;
}"""
# A row of a form hides content that is wider than itself.
STICKS_OUT = """() => [...document.querySelectorAll(".attention li, .readonly, .form-row, .story > h2")]
  .filter((each) => each.checkVisibility() && each.scrollWidth > each.clientWidth)
  .map((each) => each.textContent.trim())"""
# Cells of a log so narrow that a time is broken into single digits.
BROKEN = """() => [...document.querySelectorAll(".inline-group td:not(.original)")]
  .filter((cell) => cell.checkVisibility() && cell.getBoundingClientRect().width < 72)
  .map((cell) => cell.className + ": " + cell.textContent.trim())"""


@pytest.fixture(scope="module")
def troubled(shared_stack: Stack) -> tuple[str, str]:
    return make_trouble(shared_stack)


@pytest.mark.parametrize("width", [320, 768, 1025, 1280, 1500])
def test_what_can_be_done_about_a_payment_lies_on_nothing_and_no_line_sticks_out(
    browser: Browser, shared_stack: Stack, troubled: tuple[str, str], width: int
) -> None:
    payment, notification = troubled
    with at_work(browser, shared_stack, viewport={"width": width, "height": 800}) as page:
        for path in (
            f"payments/payment/{payment}/change/",
            f"payments/providernotification/{notification}/change/",
        ):
            page.goto(path)
            assert page.evaluate(OVERLAPS) == 0
            assert page.evaluate(STICKS_OUT) == []
            assert_accessible(page)


def test_a_wide_window_has_the_menu_beside_the_page_also_without_javascript(
    browser: Browser, shared_stack: Stack
) -> None:
    with at_work(
        browser, shared_stack, viewport={"width": 1280, "height": 800}, java_script_enabled=False
    ) as page:
        page.goto("payments/payment/attention/")
        menu = page.get_by_role("navigation", name="Menu")
        expect(menu.get_by_role("link", name="Reconciliations")).to_be_visible()
        expect(menu.get_by_role("link", name="Dead letters")).to_be_hidden()
        menu.get_by_text("Internals").click()
        expect(menu.get_by_role("link", name="Dead letters")).to_be_visible()
        expect(page.get_by_role("button", name="Toggle theme")).to_be_hidden()
        box, heading = menu.bounding_box(), page.locator("#content h1").bounding_box()
        assert box is not None
        assert heading is not None
        assert box["x"] + box["width"] <= heading["x"]


def test_a_phone_has_the_menu_behind_a_button_that_a_thumb_or_a_key_opens(
    browser: Browser, shared_stack: Stack
) -> None:
    with at_work(browser, shared_stack, viewport={"width": 390, "height": 844}) as page:
        page.goto("payments/payment/attention/")
        link = page.get_by_role("navigation", name="Menu").get_by_role("link", name="Reconciliations")
        expect(link).to_be_hidden()
        page.locator(".menu > summary").focus()
        page.keyboard.press("Enter")
        expect(link).to_be_visible()
        box = link.bounding_box()
        assert box is not None
        assert box["height"] >= 44
        assert_accessible(page)


def test_a_narrow_window_leaves_room_to_type_what_is_searched_for(
    browser: Browser, shared_stack: Stack
) -> None:
    with at_work(browser, shared_stack, viewport={"width": 320, "height": 800}) as page:
        page.goto("payments/payment/")
        box = page.get_by_role("searchbox", name="Search payments").bounding_box()
        assert box is not None
        assert box["width"] > 200
