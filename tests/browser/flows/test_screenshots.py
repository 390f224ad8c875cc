"""Screenshots of every page for shoppers, narrow and wide."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import uuid4

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.flows.books import assert_paid_once
from tests.browser.flows.halting import halted
from tests.browser.flows.pictures import WIDTHS, picture, pictures, sized
from tests.browser.flows.shopper import CHALLENGED, FRICTIONLESS, REFUSED, TEA_PRICE, Shopper, shopping
from tests.support.stack import Stack

pytestmark = pictures

MAKE_LINK = """
from checkout.payments.models import Merchant, PaymentLink
from checkout.payments.actions.links import create_link
from checkout.money import Money
link = create_link(
    Merchant.objects.get(code="example"), order_reference="INV-%(token)s"[:20],
    amount=Money(4900, "GBP"), description="Invoice 7"
)
PaymentLink.objects.filter(pk=link.pk).update(token="%(token)s")
"""


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
    expect(shopper.pay_button).to_be_visible()
    picture(shopper.page, "result-refused", width)


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


def test_pictures_of_a_payment_link(shopper: Shopper, width: int) -> None:
    token = uuid4().hex
    shopper.stack.manage("shell", "--command", MAKE_LINK % {"token": token})
    page, address = shopper.page, f"{shopper.stack.web_url}/pay/{token}/"
    page.goto(address)
    picture(page, "link", width)
    page.get_by_role("button", name="Continue to payment").click()
    shopper.pay(FRICTIONLESS)
    expect(page.get_by_role("heading", level=1)).to_have_text("Payment complete")
    picture(page, "result-of-link", width)
    page.goto(address)
    expect(page.get_by_role("heading", level=1)).to_have_text("Already paid")
    picture(page, "link-paid", width)


def test_pictures_of_a_failure_of_ours(shopper: Shopper, width: int) -> None:
    reference = shopper.order()
    with no_state(shopper.stack, reference):
        shopper.page.goto(f"{shopper.stack.web_url}/checkout/{reference}/")
        expect(shopper.page.get_by_role("heading", level=1)).to_have_text("Something went wrong here")
        picture(shopper.page, "failure-of-ours", width)
    shopper.traffic.complaints.clear()  # the console reports the status 500
    shopper.page.get_by_role("link", name="See where your payment stands").click()
    expect(shopper.pay_button).to_be_visible()


@contextmanager
def no_state(stack: Stack, reference: str) -> Iterator[None]:
    """Within the block, give a payment a state that no page knows."""
    set_state(stack, reference, "none")
    try:
        yield
    finally:
        set_state(stack, reference, "open")


def set_state(stack: Stack, reference: str, state: str) -> None:
    rows = f"Payment.objects.filter(reference={reference!r})"
    command = f"from checkout.payments.models import Payment; {rows}.update(state={state!r})"
    stack.manage("shell", "--command", command)


def test_pictures_of_a_wrong_address_and_of_the_sandbox(shopper: Shopper, width: int) -> None:
    shopper.page.goto(f"{shopper.stack.web_url}/checkout/pay_{'0' * 32}/")
    picture(shopper.page, "no-such-payment", width)
    shopper.traffic.complaints.clear()  # the console reports the status 404
    shopper.page.goto(f"{shopper.stack.sandbox_url}/")
    picture(shopper.page, "sandbox", width)
    shopper.page.goto(f"{shopper.stack.sandbox_url}/scenarios/")
    picture(shopper.page, "sandbox-scenarios", width)
