"""Screenshots of every page for shoppers, narrow and wide."""

import re

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.flows.books import assert_paid_once
from tests.browser.flows.halting import halted
from tests.browser.flows.pictures import WIDTHS, picture, pictures, sized
from tests.browser.flows.shopper import CHALLENGED, FRICTIONLESS, REFUSED, TEA_PRICE, Shopper, shopping
from tests.support.stack import Stack

pytestmark = pictures


@pytest.fixture(params=WIDTHS)
def width(request: pytest.FixtureRequest) -> int:
    return int(request.param)


def test_pictures_of_a_purchase(shopper: Shopper, width: int) -> None:
    page = shopper.page
    page.goto(f"{shopper.stack.web_url}/")
    picture(shopper.page, "shop", width)
    reference = shopper.order()
    expect(shopper.pay_button).to_be_visible()
    picture(shopper.page, "checkout", width)
    shopper.pay_button.click()
    picture(shopper.page, "checkout-wrong-fields", width)
    shopper.enter_card(CHALLENGED)
    picture(shopper.page, "checkout-filled-in", width)
    shopper.pay_button.click()
    expect(page.get_by_role("button", name="Approve")).to_be_visible()
    picture(shopper.page, "bank", width)
    shopper.decide("Approve")
    shopper.is_told_paid()
    picture(shopper.page, "result-paid", width)
    page.get_by_role("link", name="Back to Example Shop").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Your order")
    picture(shopper.page, "shop-order", width)
    assert_paid_once(shopper.stack, reference, *TEA_PRICE)
    page.goto(f"{shopper.stack.web_url}/")
    picture(shopper.page, "shop-orders", width)


def test_pictures_of_a_refusal(shopper: Shopper, width: int) -> None:
    shopper.order_and_pay(REFUSED)
    shopper.is_told_not_paid("")
    picture(shopper.page, "result-refused", width)
    shopper.page.get_by_role("link", name="Try again").click()
    expect(shopper.pay_button).to_be_visible()
    picture(shopper.page, "checkout-again", width)


def test_pictures_without_javascript(browser: Browser, shared_stack: Stack, width: int) -> None:
    options = {"viewport": sized(width), "java_script_enabled": False}
    with shopping(browser, shared_stack, **options) as shopper:
        shopper.order()
        picture(shopper.page, "checkout-no-javascript", width)


def test_pictures_of_the_dark(browser: Browser, shared_stack: Stack, width: int) -> None:
    options = {"viewport": sized(width), "color_scheme": "dark"}
    with shopping(browser, shared_stack, **options) as shopper:
        shopper.order()
        expect(shopper.pay_button).to_be_visible()
        picture(shopper.page, "checkout-dark", width)
        shopper.pay(FRICTIONLESS)
        shopper.is_told_paid()
        picture(shopper.page, "result-dark", width)


def test_pictures_of_the_frame_and_of_waiting(browser: Browser, framed_stack: Stack, width: int) -> None:
    with shopping(browser, framed_stack, viewport=sized(width)) as shopper:
        with halted(framed_stack, "payments"):
            shopper.order_and_pay(CHALLENGED)
            shopper.is_at("status", "We are confirming your payment")
            picture(shopper.page, "status", width)
        frame = shopper.page.frame_locator('iframe[name="challenge"]')
        expect(frame.get_by_role("button", name="Approve")).to_be_visible()
        picture(shopper.page, "challenge-frame", width)
        shopper.lose_javascript()
        shopper.page.reload()
        shopper.is_at("challenge", "Your bank wants to check that it is you")
        picture(shopper.page, "challenge-frame-no-javascript", width)


def test_pictures_of_the_challenge_without_javascript(shopper: Shopper, width: int) -> None:
    shopper.lose_javascript_when_paying()
    shopper.order_and_pay(CHALLENGED)
    shopper.is_at("challenge", "Your bank wants to check that it is you")
    picture(shopper.page, "challenge-no-javascript", width)
    shopper.page.get_by_role("button", name="Continue to your bank").click()
    expect(shopper.page).to_have_url(re.compile(re.escape(shopper.stack.sandbox_url)))
    picture(shopper.page, "provider-no-javascript", width)


def test_pictures_of_a_wrong_address_and_of_the_sandbox(shopper: Shopper, width: int) -> None:
    shopper.page.goto(f"{shopper.stack.web_url}/checkout/pay_{'0' * 32}/")
    picture(shopper.page, "no-such-payment", width)
    shopper.traffic.complaints.clear()  # the console reports the status 404
    shopper.page.goto(f"{shopper.stack.sandbox_url}/")
    picture(shopper.page, "sandbox", width)
    shopper.page.goto(f"{shopper.stack.sandbox_url}/scenarios/")
    picture(shopper.page, "sandbox-scenarios", width)
