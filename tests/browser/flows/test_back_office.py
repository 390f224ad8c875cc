"""Staff refund a part of a purchase, through every service and the provider."""

import pytest
from playwright.sync_api import expect

from tests.browser.flows.books import assert_paid_once, given_back, state_of
from tests.browser.flows.shopper import FRICTIONLESS, TEA_PRICE, Shopper
from tests.support.waiting import wait_until

pytestmark = pytest.mark.browser

PASSWORD = "checkout-admin"


def test_a_refund_in_part_reaches_the_provider_and_comes_back_as_done(shopper: Shopper) -> None:
    reference = shopper.order_and_pay(FRICTIONLESS)
    shopper.is_told_paid()
    assert_paid_once(shopper.stack, reference, *TEA_PRICE)
    page = shopper.page
    page.goto(f"{shopper.stack.web_url}/admin/payments/payment/?q={reference}")
    page.get_by_label("Username").fill("admin")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
    page.get_by_role("link", name="Refund").click()
    page.get_by_label("Amount").fill("5.00")
    page.get_by_label("Reason").fill("One of two arrived broken")
    page.get_by_role("button", name="Continue").click()
    page.get_by_role("button", name="Refund £5.00").click()
    expect(page.get_by_text("Refund of £5.00,")).to_be_visible()

    wait_until(lambda: state_of(shopper.stack, reference) == "partially_refunded", "the refund")
    page.reload()
    table = page.get_by_role("region", name="Captures, voids, refunds and charge-backs")
    expect(table.get_by_role("row").filter(has_text="refund")).to_contain_text("done")
    expect(page.locator(".sums")).to_contain_text("£7.50")
    expect(page.get_by_text("Balanced: every posting adds up to zero.")).to_be_visible()
    assert given_back(shopper.stack, reference) == 500
