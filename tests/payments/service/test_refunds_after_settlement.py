"""Refunds of settled money, which raise the sum that Worldpay reports as captured and not given back."""

import pytest

from checkout.payments.models import Attempt, Operation, Payment
from checkout.payments.providers.base import EventKind
from checkout.states import PaymentState
from tests.payments.service.asking import inquire_operation
from tests.payments.service.doubting import is_said_to_have_failed
from tests.payments.service.test_notification import body, notify, stored
from tests.payments.service.test_released_rests import (
    CAPTURE,
    OWED,
    REFUND,
    State,
    checked,
    lost,
    operation,
    worldpay,
)
from tests.payments.service.test_review import adopted, reviewed, why

__all__ = ["worldpay"]
pytestmark = pytest.mark.django_db


@pytest.fixture
def captured(authorised: Attempt) -> Attempt:
    operation(authorised, CAPTURE, OWED)
    return authorised


def settlement(attempt: Attempt, *, is_proven: bool = True) -> None:
    text = body(attempt, "SETTLED", minor=1200)
    notify(attempt, stored(attempt, text, is_proven=is_proven))


def conflicted(attempt: Attempt) -> None:
    Payment.objects.update(state=PaymentState.CONFLICTED)
    attempt.refresh_from_db()


def state_of(refund: Operation) -> str:
    refund.refresh_from_db()
    return refund.state


@pytest.mark.parametrize("event", ["SENT_FOR_REFUND", "REFUNDED", "REFUND_FAILED"])
@pytest.mark.parametrize("is_proven", [True, False])
def test_once_money_was_settled_no_refund_follows_from_what_is_kept(captured, worldpay, event, is_proven):
    """The first refund of 3.50 raised the sum to 3.50. The second was lost, and would be 5.50 of 12.50."""
    settlement(captured, is_proven=is_proven)
    operation(captured, REFUND, 350)
    second = lost(captured, REFUND, 550)
    worldpay(event, 350)
    assert inquire_operation(second) == "undecided"


def test_before_a_settlement_the_refunds_are_what_is_missing(captured, worldpay):
    operation(captured, REFUND, 300)
    second = lost(captured, REFUND, 550)
    worldpay("REFUNDED", 400)
    assert inquire_operation(second) == "approved"


@pytest.mark.parametrize("state", [State.DONE, State.PENDING])
def test_a_sum_that_other_refunds_explain_shows_none_although_no_settlement_was_told(
    captured, worldpay, state
):
    operation(captured, REFUND, 350, state)
    second = lost(captured, REFUND, 550)
    worldpay("REFUNDED", 350)
    assert inquire_operation(second) == "undecided"


def test_no_sum_of_many_refunds_is_believed_without_balances_of_settled_money(captured, worldpay):
    for minor in range(1, 13):
        operation(captured, REFUND, minor)
    last = lost(captured, REFUND, 500)
    worldpay("REFUNDED", OWED - 578)
    assert inquire_operation(last) == "undecided"


def test_the_refund_of_half_is_the_same_in_both_readings(captured, worldpay):
    operation(captured, REFUND, 300)
    second = lost(captured, REFUND, 325)
    worldpay("REFUNDED", 625)
    assert inquire_operation(second) == "approved"


@pytest.mark.parametrize("is_told", [True, False])
def test_a_failed_refund_of_all_that_was_settled_is_not_called_made(captured, worldpay, is_told):
    """The refund raised the sum to the whole amount, and its failure lowered the sum to nothing again."""
    refund = operation(captured, REFUND, OWED)
    if is_told:
        settlement(captured)
    is_said_to_have_failed(refund)
    worldpay("REFUND_FAILED", 0)
    assert inquire_operation(refund) == "refused"
    assert state_of(refund) == State.REFUSED


@pytest.mark.parametrize("is_told", [True, False])
def test_a_review_adopts_no_refund_of_which_only_the_kept_sum_tells(captured, worldpay, is_told):
    operation(captured, REFUND, 300)
    if is_told:
        settlement(captured)
    conflicted(captured)
    worldpay("REFUNDED", 300)
    assert reviewed(captured) == "stands"
    assert adopted() == []
    refunded, unknown = "The refunds at the provider come to 9.50 GBP, ours to 3.00 GBP.", "does not tell"
    assert (unknown if is_told else refunded) in why()


def test_a_review_adopts_a_refund_that_was_notified_if_everything_was_captured(captured, worldpay):
    notify(captured, stored(captured, body(captured, "REFUNDED", minor=300)))
    conflicted(captured)
    worldpay("REFUNDED", 950)
    assert reviewed(captured) == "held"
    assert adopted() == [("refund", 300, "done")]


def test_the_notification_of_our_own_refund_is_none_of_another(captured, worldpay):
    ours = operation(captured, REFUND, 300)
    notify(captured, stored(captured, body(captured, "REFUNDED", minor=300, reference=ours.reference)))
    conflicted(captured)
    worldpay("REFUNDED", 650)
    assert reviewed(captured) == "stands"
    assert adopted() == []


def test_a_refund_that_somebody_else_made_is_not_confirmed_by_another_sum(captured, worldpay):
    settlement(captured)
    worldpay("REFUNDED", 300)
    assert checked(captured, EventKind.REFUNDED, 300) == "confirmed", "its event tells of it"
    operation(captured, REFUND, 200)
    assert checked(captured, EventKind.REFUNDED, 300) == "unclear"
