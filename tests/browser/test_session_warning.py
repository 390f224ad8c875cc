"""The warning before staff are logged out, on pages with a form whose content would be lost."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.browser.looking import assert_accessible
from tests.browser.test_back_office import at_work, keys
from tests.support.stack import Stack

__all__ = ["keys"]

pytestmark = pytest.mark.browser

WARNING = "You will be logged out in two minutes, and what you have typed will be lost."
MINUTE = 60_000


@pytest.fixture
def form(browser: Browser, shared_stack: Stack, keys: dict[str, str]) -> Iterator[Page]:
    """Yield a page with the form of a refund, whose clock the test moves."""
    with at_work(browser, shared_stack) as page:
        page.clock.install()
        page.goto("payments/payment/{taken}/refund/".format(**keys))
        page.get_by_label("Reason").fill("Arrived broken")
        yield page


def warning(page: Page) -> Locator:
    return page.get_by_role("alert")


def stay(page: Page) -> Locator:
    return page.get_by_role("button", name="Stay logged in")


def test_the_keyboard_alone_keeps_its_user_logged_in_and_what_was_typed(form: Page) -> None:
    form.clock.fast_forward(27 * MINUTE)
    expect(warning(form)).to_be_hidden()
    form.clock.fast_forward(MINUTE)
    expect(warning(form)).to_contain_text(WARNING)
    for width in (320, 1280):
        form.set_viewport_size({"width": width, "height": 800})
        assert_accessible(form)
    form.get_by_label("Reason").focus()
    form.keyboard.press("Tab")
    expect(stay(form)).to_be_focused()
    with form.expect_response("**/admin/session/") as answered:
        form.keyboard.press("Enter")
    assert answered.value.json()["seconds"] > 29 * 60
    expect(warning(form)).to_be_hidden()
    expect(form.get_by_label("Reason")).to_be_focused()
    form.clock.fast_forward(27 * MINUTE)
    expect(warning(form)).to_be_hidden()
    form.clock.fast_forward(MINUTE)
    expect(warning(form)).to_contain_text(WARNING)
    expect(form.get_by_label("Reason")).to_have_value("Arrived broken")


def test_the_field_in_which_somebody_types_is_not_covered(form: Page) -> None:
    form.set_viewport_size({"width": 320, "height": 800})
    field = form.get_by_label("Reason")
    field.focus()
    form.clock.fast_forward(28 * MINUTE)
    expect(warning(form)).to_contain_text(WARNING)
    typed, covered = field.bounding_box(), warning(form).bounding_box()
    assert typed is not None
    assert covered is not None
    assert typed["y"] + typed["height"] <= covered["y"] or typed["y"] >= covered["y"] + covered["height"]


@pytest.mark.parametrize(
    ("address", "label"), [("password_change/", "Old password"), ("auth/user/1/password/", "Password")]
)
@pytest.mark.parametrize("width", [320, 1280])
def test_no_field_for_a_new_password_is_covered(form: Page, address: str, label: str, width: int) -> None:
    form.set_viewport_size({"width": width, "height": 800})
    form.goto(address)
    expect(form.get_by_text("logs you out everywhere else at once")).to_be_visible()
    field = form.get_by_label(label, exact=False).and_(form.locator("input[type=password]")).first
    field.fill("correct horse battery")
    form.clock.fast_forward(28 * MINUTE)
    expect(warning(form)).to_contain_text(WARNING)
    field.click(timeout=5000)


def test_a_server_that_does_not_answer_is_told_and_can_be_asked_again(form: Page) -> None:
    form.clock.fast_forward(28 * MINUTE)
    form.route("**/admin/session/", lambda route: route.abort())
    stay(form).click()
    expect(warning(form)).to_contain_text("That failed")
    form.unroute("**/admin/session/")
    stay(form).click()
    expect(warning(form)).to_be_hidden()


def test_who_is_logged_out_meanwhile_is_told_that_it_failed(form: Page) -> None:
    form.clock.fast_forward(28 * MINUTE)
    form.context.clear_cookies()
    stay(form).click()
    expect(warning(form)).to_contain_text("you are logged out already")


def test_after_the_end_the_page_says_that_the_form_is_lost(form: Page) -> None:
    form.clock.fast_forward(31 * MINUTE)
    expect(warning(form)).to_contain_text("You are logged out.")
    expect(stay(form)).to_be_hidden()


def test_a_log_in_that_is_too_old_cannot_be_lengthened(form: Page) -> None:
    form.clock.fast_forward(28 * MINUTE)
    form.route("**/admin/session/", lambda route: route.fulfill(json={"seconds": 119}))
    stay(form).click()
    expect(warning(form)).to_contain_text("your log-in is too old")
    expect(stay(form)).to_be_hidden()


def test_another_page_of_the_same_user_lengthens_the_session_for_both(form: Page) -> None:
    form.clock.fast_forward(28 * MINUTE)
    expect(warning(form)).to_contain_text(WARNING)
    other = form.context.new_page()
    other.clock.install()
    other.clock.fast_forward(28 * MINUTE)
    other.goto("")
    form.clock.run_for(2000)
    expect(warning(form)).to_be_hidden()


def test_configuration_that_is_edited_has_the_warning_too(form: Page) -> None:
    form.goto("orders/stockitem/add/")
    form.clock.fast_forward(28 * MINUTE)
    expect(warning(form)).to_contain_text(WARNING)
    assert_accessible(form)


def test_a_page_on_which_nothing_can_be_typed_has_no_warning(form: Page, keys: dict[str, str]) -> None:
    form.goto("payments/payment/{taken}/change/".format(**keys))
    form.clock.fast_forward(31 * MINUTE)
    expect(warning(form)).to_have_count(0)


def test_without_javascript_nothing_is_shown(
    browser: Browser, shared_stack: Stack, keys: dict[str, str]
) -> None:
    with at_work(browser, shared_stack, java_script_enabled=False) as page:
        page.goto("payments/payment/{taken}/refund/".format(**keys))
        expect(page.get_by_label("Reason")).to_be_visible()
        expect(stay(page)).to_be_hidden()
