"""The possible results of a purchase, as shown to the shopper and in the provider's books."""

import pytest
from playwright.sync_api import expect

from tests.browser.flows.books import assert_nothing_taken, assert_paid_once
from tests.browser.flows.shopper import CHALLENGED, FRICTIONLESS, REFUSED, TEA, TEA_PRICE, Shopper

pytestmark = pytest.mark.browser


@pytest.mark.parametrize(
    ("item", "price"), [(TEA, TEA_PRICE), ("Folding fan", (2400, "JPY")), ("Stoneware mug", (1890, "EUR"))]
)
def test_a_shopper_whose_bank_asks_nothing_pays(shopper: Shopper, item: str, price: tuple[int, str]) -> None:
    reference = shopper.order_and_pay(FRICTIONLESS, item)
    shopper.is_told_paid()
    assert_paid_once(shopper.stack, reference, *price)


def test_a_shopper_who_approves_at_the_bank_has_paid(shopper: Shopper) -> None:
    reference = shopper.order_and_pay(CHALLENGED)
    shopper.decide("Approve")
    shopper.is_told_paid()
    expect(shopper.page.get_by_role("main")).to_contain_text("ending in 2503")
    assert_paid_once(shopper.stack, reference, *TEA_PRICE)


@pytest.mark.parametrize(
    ("choice", "why"), [("Fail", "could not confirm that it is you"), ("Cancel", "The payment was cancelled")]
)
def test_a_shopper_who_does_not_pass_the_challenge_pays_nothing(
    shopper: Shopper, choice: str, why: str
) -> None:
    reference = shopper.order_and_pay(CHALLENGED)
    shopper.decide(choice)
    shopper.is_told_not_paid(why)
    assert_nothing_taken(shopper.stack, reference)


def test_a_refused_card_pays_nothing_and_another_one_pays_once(shopper: Shopper) -> None:
    reference = shopper.order_and_pay(REFUSED)
    shopper.is_told_not_paid("not enough money available on this card")
    assert_nothing_taken(shopper.stack, reference)
    expect(shopper.page.get_by_role("region", name="Try again with another card")).to_be_visible()
    shopper.pay(FRICTIONLESS)
    shopper.is_told_paid()
    assert_paid_once(shopper.stack, reference, *TEA_PRICE)


def test_a_field_that_is_corrected_is_no_longer_called_wrong(shopper: Shopper) -> None:
    reference = shopper.order()
    shopper.pay_button.click()
    number = shopper.page.get_by_label("Card number")
    expect(number).to_have_accessible_description("Enter the card number.")
    number.press("4")
    expect(number).to_have_accessible_description("Visa")
    expect(number).not_to_have_attribute("aria-invalid", "true")
    expect(shopper.page.locator("[aria-invalid=true]")).to_have_count(3)
    assert_nothing_taken(shopper.stack, reference, tries=0)


def test_a_failed_challenge_can_be_repeated_and_passed(shopper: Shopper) -> None:
    reference = shopper.order_and_pay(CHALLENGED)
    shopper.decide("Fail")
    shopper.is_told_not_paid("could not confirm that it is you")
    shopper.pay(CHALLENGED)
    shopper.decide("Approve")
    shopper.is_told_paid()
    assert_paid_once(shopper.stack, reference, *TEA_PRICE)
