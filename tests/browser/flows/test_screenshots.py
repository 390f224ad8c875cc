"""Pictures of every page, narrow and wide, for people to look at: SCREENSHOTS names the folder they go to."""

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.flows.books import assert_paid_once
from tests.browser.flows.halting import halted
from tests.browser.flows.shopper import CHALLENGED, FRICTIONLESS, REFUSED, TEA_PRICE, Shopper, shopping
from tests.support.stack import Stack

FOLDER = os.environ.get("SCREENSHOTS", "")
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(not FOLDER, reason="SCREENSHOTS names no folder for pictures"),
]

HEIGHT = 800
PASSWORD = "checkout-admin"


@pytest.fixture(params=[320, 1280])
def width(request: pytest.FixtureRequest) -> int:
    return int(request.param)


@pytest.fixture
def shopper(browser: Browser, shared_stack: Stack, width: int) -> Iterator[Shopper]:
    with shopping(browser, shared_stack, viewport={"width": width, "height": HEIGHT}) as shopper:
        yield shopper


def picture(shopper: Shopper, name: str, width: int, *, full_page: bool = True) -> None:
    """The whole page, unless it is a long one; nothing of it sticks out sideways."""
    shopper.page.screenshot(path=Path(FOLDER) / f"{name}-{width}.png", full_page=full_page)
    assert shopper.page.evaluate("document.documentElement.scrollWidth") <= width, name


def test_pictures_of_a_purchase(shopper: Shopper, width: int) -> None:
    page = shopper.page
    page.goto(f"{shopper.stack.web_url}/")
    picture(shopper, "shop", width)
    reference = shopper.order()
    expect(shopper.pay_button).to_be_visible()
    picture(shopper, "checkout", width)
    shopper.pay_button.click()
    picture(shopper, "checkout-wrong-fields", width)
    shopper.enter_card(CHALLENGED)
    picture(shopper, "checkout-filled-in", width)
    shopper.pay_button.click()
    expect(page.get_by_role("button", name="Approve")).to_be_visible()
    picture(shopper, "bank", width)
    shopper.decide("Approve")
    shopper.is_told_paid()
    picture(shopper, "result-paid", width)
    page.get_by_role("link", name="Back to Example Shop").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Your order")
    picture(shopper, "shop-order", width)
    assert_paid_once(shopper.stack, reference, *TEA_PRICE)
    page.goto(f"{shopper.stack.web_url}/")
    picture(shopper, "shop-orders", width)


def test_pictures_of_a_refusal(shopper: Shopper, width: int) -> None:
    shopper.order_and_pay(REFUSED)
    shopper.is_told_not_paid("")
    picture(shopper, "result-refused", width)
    shopper.page.get_by_role("link", name="Try again").click()
    expect(shopper.pay_button).to_be_visible()
    picture(shopper, "checkout-again", width)


def test_pictures_without_javascript(browser: Browser, shared_stack: Stack, width: int) -> None:
    options = {"viewport": {"width": width, "height": HEIGHT}, "java_script_enabled": False}
    with shopping(browser, shared_stack, **options) as shopper:
        shopper.order()
        picture(shopper, "checkout-no-javascript", width)


def test_pictures_of_the_dark(browser: Browser, shared_stack: Stack, width: int) -> None:
    options = {"viewport": {"width": width, "height": HEIGHT}, "color_scheme": "dark"}
    with shopping(browser, shared_stack, **options) as shopper:
        shopper.order()
        expect(shopper.pay_button).to_be_visible()
        picture(shopper, "checkout-dark", width)
        shopper.pay(FRICTIONLESS)
        shopper.is_told_paid()
        picture(shopper, "result-dark", width)


def test_pictures_of_the_frame_and_of_waiting(browser: Browser, framed_stack: Stack, width: int) -> None:
    with shopping(browser, framed_stack, viewport={"width": width, "height": HEIGHT}) as shopper:
        with halted(framed_stack, "payments"):
            shopper.order_and_pay(CHALLENGED)
            shopper.is_at("status", "We are confirming your payment")
            picture(shopper, "status", width)
        frame = shopper.page.frame_locator('iframe[name="challenge"]')
        expect(frame.get_by_role("button", name="Approve")).to_be_visible()
        picture(shopper, "challenge-frame", width)
        shopper.lose_javascript()
        shopper.page.reload()
        shopper.is_at("challenge", "Your bank wants to check that it is you")
        picture(shopper, "challenge-frame-no-javascript", width)


def test_pictures_of_the_challenge_without_javascript(shopper: Shopper, width: int) -> None:
    shopper.lose_javascript_when_paying()
    shopper.order_and_pay(CHALLENGED)
    shopper.is_at("challenge", "Your bank wants to check that it is you")
    picture(shopper, "challenge-no-javascript", width)
    shopper.page.get_by_role("button", name="Continue to your bank").click()
    expect(shopper.page).to_have_url(re.compile(re.escape(shopper.stack.sandbox_url)))
    picture(shopper, "provider-no-javascript", width)


def test_pictures_of_a_wrong_address_and_of_the_sandbox(shopper: Shopper, width: int) -> None:
    shopper.page.goto(f"{shopper.stack.web_url}/checkout/pay_{'0' * 32}/")
    picture(shopper, "no-such-payment", width)
    shopper.traffic.complaints.clear()  # the console names the status 404
    shopper.page.goto(f"{shopper.stack.sandbox_url}/")
    picture(shopper, "sandbox", width)
    shopper.page.goto(f"{shopper.stack.sandbox_url}/scenarios/")
    picture(shopper, "sandbox-scenarios", width)


def test_pictures_of_the_back_office(shopper: Shopper, width: int) -> None:
    reference = shopper.order_and_pay(CHALLENGED)
    shopper.decide("Approve")
    shopper.is_told_paid()
    assert_paid_once(shopper.stack, reference, *TEA_PRICE)
    page = shopper.page
    page.goto(f"{shopper.stack.web_url}/admin/checkout/payment/?q={reference}")
    picture(shopper, "admin-login", width)
    page.get_by_label("Username").fill("admin")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
    picture(shopper, "admin-payments", width)
    page.get_by_role("link", name=re.compile("^order-")).click()
    expect(page.get_by_role("heading", name="Timeline")).to_be_visible()
    picture(shopper, "admin-payment", width)
    page.get_by_role("heading", name="Timeline").evaluate("heading => heading.scrollIntoView()")
    picture(shopper, "admin-timeline", width, full_page=False)
