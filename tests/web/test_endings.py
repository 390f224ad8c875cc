"""The texts about a payment that has ended, which must hold whatever its amounts are."""

from checkout.states import PaymentState
from checkout.web.views.wording import ENDINGS


def test_a_payment_that_was_taken_in_part_may_have_nothing_reserved():
    assert "reserved" not in ENDINGS[PaymentState.PARTIALLY_CAPTURED].text


def test_less_than_the_whole_amount_may_have_been_taken_and_given_back():
    assert "whole amount" not in ENDINGS[PaymentState.REFUNDED].text
