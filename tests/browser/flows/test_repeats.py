"""Repeated clicks and reloads of impatient shoppers: the money moves once."""

import pytest
from playwright.sync_api import expect

from tests.browser.flows.books import assert_nothing_taken, assert_paid_once
from tests.browser.flows.shopper import CHALLENGED, FRICTIONLESS, TEA_PRICE, Shopper

pytestmark = pytest.mark.browser


def test_a_double_click_on_pay_is_one_payment(shopper: Shopper) -> None:
    reference = shopper.order()
    shopper.enter_card(FRICTIONLESS)
    shopper.pay_button.dblclick()
    shopper.is_told_paid()
    assert_paid_once(shopper.stack, reference, *TEA_PRICE)


def test_two_tabs_that_pay_at_once_are_one_payment_and_both_are_told(shopper: Shopper) -> None:
    reference = shopper.order()
    first, second = shopper.page, shopper.page.context.new_page()
    second.goto(first.url)
    for tab in (first, second):
        shopper.page = tab
        shopper.enter_card(FRICTIONLESS)
    # Send both forms before waiting for an answer.
    for tab in (first, second):
        tab.get_by_role("button", name="Pay").click(no_wait_after=True)
    for tab in (first, second):
        shopper.page = tab
        shopper.is_told_paid()
    assert_paid_once(shopper.stack, reference, *TEA_PRICE)


def test_back_and_reload_after_paying_lead_to_the_result(shopper: Shopper) -> None:
    reference = shopper.order_and_pay(FRICTIONLESS)
    shopper.is_told_paid()
    shopper.page.go_back()
    shopper.is_told_paid()
    shopper.page.reload()
    shopper.is_told_paid()
    assert_paid_once(shopper.stack, reference, *TEA_PRICE)


def test_back_into_the_challenge_after_paying_leads_to_the_result(shopper: Shopper) -> None:
    reference = shopper.order_and_pay(CHALLENGED)
    shopper.decide("Approve")
    shopper.is_told_paid()
    shopper.page.goto(shopper.url_of("challenge"))
    shopper.is_told_paid()
    assert_paid_once(shopper.stack, reference, *TEA_PRICE)


def test_back_from_the_bank_and_forward_again_is_one_payment(shopper: Shopper) -> None:
    reference = shopper.order_and_pay(CHALLENGED)
    expect(shopper.page.get_by_role("button", name="Approve")).to_be_visible()
    shopper.page.goto(f"{shopper.stack.web_url}/checkout/{reference}/")
    shopper.decide("Approve")
    shopper.is_told_paid()
    assert_paid_once(shopper.stack, reference, *TEA_PRICE)


def test_reloading_the_result_of_a_failed_challenge_tries_nothing_again(shopper: Shopper) -> None:
    reference = shopper.order_and_pay(CHALLENGED)
    shopper.decide("Fail")
    shopper.is_told_not_paid("could not confirm that it is you")
    shopper.page.reload()
    shopper.is_told_not_paid("could not confirm that it is you")
    assert_nothing_taken(shopper.stack, reference)


def test_a_shopper_who_stops_the_sending_is_led_to_where_the_payment_stands(shopper: Shopper) -> None:
    shopper.page.add_init_script(
        "const later = setTimeout; setTimeout = (act, ms, ...rest) => later(act, ms / 10, ...rest)"
    )
    reference = shopper.order()
    way_out = shopper.page.get_by_role("link", name="See where your payment stands")
    cancelling = shopper.page.get_by_role("link", name="without paying")
    expect(cancelling).to_be_visible()
    expect(way_out).to_be_hidden()
    shopper.page.route("**/pay/", lambda route: route.abort("aborted"))
    with shopper.page.expect_event("requestfailed"):
        shopper.pay(FRICTIONLESS)
    expect(shopper.pay_button).to_be_disabled()
    expect(cancelling, "it would cancel nothing any more").to_be_hidden()
    shopper.page.unroute("**/pay/")
    slow = "This takes longer than usual. Your payment may have been made: "
    expect(shopper.page.get_by_role("status")).to_contain_text(slow)
    way_out.click()
    expect(shopper.page.get_by_label("Card number")).to_have_value("")
    shopper.pay(FRICTIONLESS)
    shopper.is_told_paid()
    assert_paid_once(shopper.stack, reference, *TEA_PRICE)
