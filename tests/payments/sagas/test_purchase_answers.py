"""Answers and signals that a purchase seldom gets."""

import pytest

from tests.payments.sagas.test_purchase import an_accepted_purchase


@pytest.mark.parametrize("has_challenge", [False, True])
def test_a_payment_that_was_not_sent_is_refused_at_once_so_that_the_shopper_may_try_again(
    has_challenge: bool,
) -> None:
    saga = an_accepted_purchase()
    if has_challenge:
        saga.answered(outcome="challenge_required").told("challenge_returned")
    saga.answered(outcome="not_sent", refusal_reason="provider_error").answers_the_shopper()
    assert saga.decision.transitions == ("refused",)
    assert saga.decision.refusal_reason == "provider_error"
    saga.asks("orders.release").answered().ended("compensated")
