"""A customer with saved cards: pays with one, pays with another card, and removes one."""

from typing import Any
from uuid import uuid4

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.flows.books import assert_nothing_taken, assert_paid_once
from tests.browser.flows.merchant import call, order
from tests.browser.flows.shopper import CHALLENGED, FRICTIONLESS, Shopper, shopping
from tests.browser.looking import assert_accessible
from tests.support.stack import Stack
from tests.support.waiting import wait_until

pytestmark = pytest.mark.browser

VISA = "Visa ending in 2701"
SAVED = "Your saved cards"


@pytest.fixture
def customer() -> str:
    """Return a customer of the merchant who has never been there before."""
    return f"customer-{uuid4().hex[:12]}"


def come_to_pay(shopper: Shopper, customer: str, *, identified: bool = True) -> str:
    """Open the payment page of a new order, with or without a customer session."""
    made = order(shopper.stack, customer_reference=customer)
    shopper.reference = made["id"]
    address = made["checkout_url"]
    if identified:
        address = call(shopper.stack, "POST", f"/payments/{made['id']}/customer-session")["url"]
    shopper.page.goto(address)
    expect(shopper.page).to_have_url(made["checkout_url"])
    return str(made["id"])


def save_a_card(shopper: Shopper, customer: str, number: str = FRICTIONLESS) -> None:
    """Pay an order with a card that is saved, for which the bank always challenges the shopper."""
    come_to_pay(shopper, customer)
    shopper.page.get_by_role("radio", name="Another card").or_(shopper.pay_button).first.click()
    shopper.page.get_by_label("Save this card").check()
    shopper.pay(number)
    shopper.decide("Approve")
    shopper.is_told_paid()
    wait_until(lambda: cards_of(shopper.stack, customer), f"the card of {customer}")


def cards_of(stack: Stack, customer: str) -> list[dict[str, Any]]:
    listed: list[dict[str, Any]] = call(stack, "GET", f"/saved-cards?customer_reference={customer}")["data"]
    return listed


def pay_with_saved(shopper: Shopper, name: str = VISA) -> None:
    shopper.page.get_by_role("radio", name=name).check()
    shopper.pay_button.click()


def test_a_customer_pays_with_a_saved_card_and_types_nothing(shopper: Shopper, customer: str) -> None:
    save_a_card(shopper, customer)
    reference = come_to_pay(shopper, customer)
    expect(shopper.page.get_by_role("region", name=SAVED)).to_contain_text(VISA)
    expect(shopper.page.get_by_role("radio", name=VISA)).to_be_checked()
    expect(shopper.page.get_by_label("Card number")).to_be_hidden()
    expect(shopper.pay_button).to_be_in_viewport()
    assert_accessible(shopper.page)
    shopper.pay_button.dblclick()
    shopper.is_told_paid()
    expect(shopper.page.get_by_role("main")).to_contain_text(VISA)
    assert_paid_once(shopper.stack, reference, 1250, "GBP")


def test_the_keyboard_alone_chooses_another_card_and_goes_back_to_the_saved_one(
    shopper: Shopper, customer: str
) -> None:
    save_a_card(shopper, customer)
    reference = come_to_pay(shopper, customer)
    keyboard = shopper.page.keyboard
    shopper.page.get_by_role("radio", name=VISA).focus()
    keyboard.press("ArrowDown")
    expect(shopper.page.get_by_role("radio", name="Another card")).to_be_focused()
    expect(shopper.page.get_by_label("Card number")).to_be_visible()
    assert_accessible(shopper.page)
    keyboard.press("Enter")  # the choice alone sends nothing
    keyboard.press("ArrowUp")
    expect(shopper.page.get_by_label("Card number")).to_be_hidden()
    keyboard.press("Enter")
    shopper.is_told_paid()
    assert_paid_once(shopper.stack, reference, 1250, "GBP")


def test_a_customer_pays_with_another_card_than_the_saved_one(shopper: Shopper, customer: str) -> None:
    save_a_card(shopper, customer)
    reference = come_to_pay(shopper, customer)
    shopper.page.get_by_role("radio", name="Another card").check()
    shopper.pay(CHALLENGED)
    shopper.decide("Approve")
    shopper.is_told_paid()
    assert_paid_once(shopper.stack, reference, 1250, "GBP")
    assert len(cards_of(shopper.stack, customer)) == 1


@pytest.mark.parametrize("choice", ["Approve", "Fail"])
def test_the_bank_challenges_a_customer_with_a_saved_card(
    shopper: Shopper, customer: str, choice: str
) -> None:
    save_a_card(shopper, customer, CHALLENGED)
    reference = come_to_pay(shopper, customer)
    pay_with_saved(shopper, "Visa ending in 2503")
    shopper.decide(choice)
    if choice == "Approve":
        shopper.is_told_paid()
        assert_paid_once(shopper.stack, reference, 1250, "GBP")
    else:
        shopper.is_told_not_paid("could not confirm that it is you")
        assert_nothing_taken(shopper.stack, reference)


def test_a_customer_removes_a_card_and_pays_with_the_one_that_is_left(
    shopper: Shopper, customer: str
) -> None:
    save_a_card(shopper, customer)
    save_a_card(shopper, customer, CHALLENGED)
    come_to_pay(shopper, customer)
    shopper.page.get_by_role("link", name=f"Remove {VISA}").click()
    expect(shopper.page.get_by_role("heading", level=1)).to_have_text("Remove this card?")
    assert_accessible(shopper.page)
    shopper.page.get_by_role("button", name="Remove the card").dblclick()
    expect(shopper.page.get_by_role("radio", name="Visa ending in 2503")).to_be_checked()
    expect(shopper.page.get_by_role("radio", name=VISA)).to_have_count(0)
    (left,) = cards_of(shopper.stack, customer)
    assert left["card"]["last4"] == "2503"


def test_a_card_that_was_removed_in_another_tab_pays_nothing(shopper: Shopper, customer: str) -> None:
    save_a_card(shopper, customer)
    reference = come_to_pay(shopper, customer)
    other = shopper.page.context.new_page()
    other.goto(shopper.page.url)
    other.get_by_role("link", name=f"Remove {VISA}").click()
    other.get_by_role("button", name="Remove the card").click()
    expect(other.get_by_label("Card number")).to_be_visible()
    pay_with_saved(shopper)
    expect(shopper.page.get_by_role("alert")).to_contain_text("cannot be used any more, and nothing was paid")
    assert_accessible(shopper.page)
    assert_nothing_taken(shopper.stack, reference, tries=0)
    shopper.traffic.complaints.clear()  # the console reports the status 409
    shopper.pay(FRICTIONLESS)
    shopper.is_told_paid()


def test_a_person_who_only_has_the_payments_address_sees_no_card(
    shopper: Shopper, customer: str, browser: Browser
) -> None:
    save_a_card(shopper, customer)
    come_to_pay(shopper, customer)
    address = shopper.page.url
    with shopping(browser, shopper.stack) as stranger:
        stranger.page.goto(address)
        expect(stranger.page.get_by_label("Card number")).to_be_visible()
        expect(stranger.page.get_by_role("region", name=SAVED)).to_have_count(0)
        expect(stranger.page.get_by_text("2701")).to_have_count(0)


def test_a_customer_without_javascript_pays_with_a_saved_card(
    shopper: Shopper, customer: str, browser: Browser
) -> None:
    save_a_card(shopper, customer)
    with shopping(browser, shopper.stack, java_script_enabled=False) as plain:
        reference = come_to_pay(plain, customer)
        expect(plain.page.get_by_role("radio")).to_have_count(1)
        pay_with_saved(plain)
        plain.is_told_paid()
        assert_paid_once(shopper.stack, reference, 1250, "GBP")
