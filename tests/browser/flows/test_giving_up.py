"""A shopper who cancels: from each page, twice, in two tabs, without JavaScript, and while paying."""

import re

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.flows.books import assert_nothing_taken, assert_paid_once, state_of
from tests.browser.flows.halting import halted
from tests.browser.flows.shopper import CHALLENGED, FRICTIONLESS, TEA_PRICE, Shopper, shopping
from tests.browser.looking import assert_accessible
from tests.support.stack import Stack
from tests.support.waiting import wait_until

pytestmark = pytest.mark.browser

CANCEL = "Cancel the payment"


def ask_to_cancel(shopper: Shopper) -> None:
    shopper.page.get_by_role("link", name=CANCEL).click()
    shopper.is_at("cancel", "Cancel the payment?")


def press_cancel(page: Page) -> None:
    page.get_by_role("button", name=CANCEL).click()


def is_told_cancelled(shopper: Shopper) -> None:
    shopper.is_at("result", "Payment cancelled")
    expect(shopper.page.get_by_role("main")).to_contain_text("Nothing was charged")


def test_a_shopper_cancels_instead_of_paying_and_cannot_pay_any_more(shopper: Shopper) -> None:
    reference = shopper.order()
    form = shopper.page.url
    ask_to_cancel(shopper)
    assert_accessible(shopper.page)
    press_cancel(shopper.page)
    is_told_cancelled(shopper)
    assert_accessible(shopper.page)
    shopper.page.goto(form)
    is_told_cancelled(shopper)
    assert_nothing_taken(shopper.stack, reference, tries=0)


def test_a_shopper_thinks_again_and_pays(shopper: Shopper) -> None:
    reference = shopper.order()
    ask_to_cancel(shopper)
    shopper.page.get_by_role("link", name="Back to your payment").click()
    shopper.pay(FRICTIONLESS)
    shopper.is_told_paid()
    assert_paid_once(shopper.stack, reference, *TEA_PRICE)


def test_a_double_click_and_back_cancel_once(shopper: Shopper) -> None:
    reference = shopper.order()
    ask_to_cancel(shopper)
    shopper.page.get_by_role("button", name=CANCEL).dblclick()
    is_told_cancelled(shopper)
    shopper.page.go_back()
    is_told_cancelled(shopper)
    assert state_of(shopper.stack, reference) == "cancelled"


def test_a_form_that_is_still_open_in_another_tab_does_not_pay_a_cancelled_payment(shopper: Shopper) -> None:
    reference = shopper.order()
    paying, cancelling = shopper.page, shopper.page.context.new_page()
    shopper.enter_card(FRICTIONLESS)
    cancelling.goto(shopper.url_of("cancel"))
    press_cancel(cancelling)
    expect(cancelling.get_by_role("heading", level=1)).to_have_text("Payment cancelled")
    shopper.page = paying
    shopper.pay_button.click()
    is_told_cancelled(shopper)
    assert_nothing_taken(shopper.stack, reference, tries=0)


def test_cancelling_a_payment_that_was_made_in_another_tab_says_that_it_is_paid(shopper: Shopper) -> None:
    reference = shopper.order()
    cancelling = shopper.page.context.new_page()
    cancelling.goto(shopper.url_of("cancel"))
    shopper.pay(FRICTIONLESS)
    shopper.is_told_paid()
    shopper.page = cancelling
    press_cancel(cancelling)
    shopper.is_told_paid()
    assert_paid_once(shopper.stack, reference, *TEA_PRICE)


def test_paying_and_cancelling_at_once_tells_both_tabs_the_same(shopper: Shopper) -> None:
    reference = shopper.order()
    paying, cancelling = shopper.page, shopper.page.context.new_page()
    cancelling.goto(shopper.url_of("cancel"))
    shopper.enter_card(FRICTIONLESS)
    shopper.pay_button.click(no_wait_after=True)
    cancelling.get_by_role("button", name=CANCEL).click(no_wait_after=True)
    wait_until(
        lambda: state_of(shopper.stack, reference) in {"captured", "cancelled", "voided"},
        f"the end of {reference}",
    )
    for tab in (paying, cancelling):
        expect(tab).to_have_url(shopper.url_of("result"))
        tab.reload()
    titles = {tab.get_by_role("heading", level=1).inner_text() for tab in (paying, cancelling)}
    assert len(titles) == 1
    if state_of(shopper.stack, reference) == "captured":
        assert titles == {"Payment complete"}
        assert_paid_once(shopper.stack, reference, *TEA_PRICE)
    else:
        assert titles <= {"Payment cancelled", "Cancelled"}


def test_a_shopper_cancels_while_the_payment_is_being_confirmed(framed_shopper: Shopper) -> None:
    stack, page = framed_shopper.stack, framed_shopper.page
    with halted(stack, "payments"):
        reference = framed_shopper.order_and_pay(FRICTIONLESS)
        framed_shopper.is_at("status", "We are confirming your payment")
        ask_to_cancel(framed_shopper)
        assert_accessible(page)
        press_cancel(page)
        framed_shopper.is_at("status", "We are cancelling your payment")
        assert_accessible(page)
        expect(page.get_by_role("link", name=CANCEL)).to_have_count(0)
    # The card was already on its way to the provider, which reserves the amount and releases it again.
    expect(page.get_by_role("heading", level=1)).to_have_text(re.compile("Being cancelled|Payment cancelled"))
    wait_until(lambda: state_of(stack, reference) in {"cancelled", "voided"}, f"the release of {reference}")


def test_a_shopper_cancels_below_the_banks_frame(framed_shopper: Shopper) -> None:
    reference = framed_shopper.order_and_pay(CHALLENGED)
    frame = framed_shopper.page.frame_locator('iframe[name="challenge"]')
    expect(frame.get_by_role("button", name="Approve")).to_be_visible()
    ask_to_cancel(framed_shopper)
    expect(framed_shopper.page.get_by_role("main")).to_contain_text("check ends, and you are not charged")
    press_cancel(framed_shopper.page)
    is_told_cancelled(framed_shopper)
    assert_nothing_taken(framed_shopper.stack, reference)


def test_a_bank_that_approves_in_another_tab_after_the_cancellation_pays_nothing(shopper: Shopper) -> None:
    reference = shopper.order_and_pay(CHALLENGED)
    expect(shopper.page.get_by_role("button", name="Approve")).to_be_visible()
    bank, shopper.page = shopper.page, shopper.page.context.new_page()
    shopper.page.goto(shopper.url_of("cancel"))
    press_cancel(shopper.page)
    is_told_cancelled(shopper)
    shopper.page = bank
    shopper.decide("Approve")
    is_told_cancelled(shopper)
    assert_nothing_taken(shopper.stack, reference)


def test_a_shopper_cancels_without_javascript(browser: Browser, shared_stack: Stack) -> None:
    with shopping(browser, shared_stack, java_script_enabled=False) as shopper:
        reference = shopper.order()
        ask_to_cancel(shopper)
        press_cancel(shopper.page)
        is_told_cancelled(shopper)
        assert_nothing_taken(shared_stack, reference, tries=0)


def test_a_shopper_cancels_the_challenge_after_losing_javascript(shopper: Shopper) -> None:
    shopper.lose_javascript_when_paying()
    reference = shopper.order_and_pay(CHALLENGED)
    shopper.is_at("challenge", "Your bank wants to check that it is you")
    ask_to_cancel(shopper)
    press_cancel(shopper.page)
    is_told_cancelled(shopper)
    assert_nothing_taken(shopper.stack, reference)
