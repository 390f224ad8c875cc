"""The provider's amount is booked, or contradicts ours. Our amount never takes its place."""

import pytest

from checkout.money import Money
from checkout.payments.actions import available
from checkout.payments.models import Attempt, Operation, Payment, ProviderCall, ProviderNotification
from checkout.payments.objects import payment_object
from checkout.payments.providers.base import Outcome, Verb
from checkout.states import AttemptState, PaymentState
from tests.payments.providers.worldpay_messages import balance
from tests.payments.service.asking import (
    authorise,
    inquire,
    inquire_operation,
    let_settle,
    operation_on,
    settle,
)
from tests.payments.service.test_notification import body, notify, stored

pytestmark = pytest.mark.django_db
CAPTURE, VOID, REFUND = Operation.Kind.CAPTURE, Operation.Kind.VOID, Operation.Kind.REFUND
State = Operation.State
OWED = 1250


def sent(attempt: Attempt, kind: str, minor: int) -> Operation:
    """Return an operation that the provider has accepted."""
    operation = operation_on(attempt, kind, minor)
    settle(operation, State.PENDING)
    ProviderCall.objects.create(
        attempt=attempt, key=operation.reference, verb=kind, outcome=Outcome.PENDING, was_alone=True
    )
    let_settle(attempt)
    return operation


def told(attempt: Attempt, event: str, minor: int, reference: str = "") -> ProviderNotification:
    row = stored(attempt, body(attempt, event, minor=minor, reference=reference))
    notify(attempt, row)
    return row


def captured(attempt: Attempt, minor: int = OWED) -> Operation:
    capture = operation_on(attempt, CAPTURE, minor)
    settle(capture, State.DONE)
    state = PaymentState.CAPTURED if minor == OWED else PaymentState.PARTIALLY_CAPTURED
    Payment.objects.filter(pk=attempt.payment_id).update(state=state)
    attempt.payment.refresh_from_db()
    return capture


@pytest.mark.parametrize(
    ("kind", "event", "asked", "booked"),
    [(CAPTURE, "CAPTURED", 1250, 1000), (REFUND, "REFUNDED", 500, 450)],
)
def test_a_proven_end_of_another_amount_is_never_booked_as_ours(
    authorised, worldpay, kind, event, asked, booked
):
    if kind == REFUND:
        captured(authorised)
    operation = sent(authorised, kind, asked)
    row = told(authorised, event, booked, operation.reference)
    assert row.state == ProviderNotification.State.CONFLICTED
    worldpay(authorised, Verb.INQUIRE, event)
    for _ in range(3):
        assert inquire_operation(operation) in ("undecided", "pending")
    assert operation.state == State.PENDING
    assert told(authorised, event, asked, operation.reference).state == ProviderNotification.State.APPLIED
    operation.refresh_from_db()
    assert operation.state == State.PENDING, "two events that contradict each other settle nothing"


def test_the_amount_that_an_answer_has_for_our_capture_contradicts_it(authorised, worldpay):
    capture = sent(authorised, CAPTURE, OWED)
    worldpay(authorised, Verb.INQUIRE, "CAPTURED", 1000)
    assert inquire_operation(capture) == "conflicted"
    assert capture.state == State.PENDING
    authorised.refresh_from_db()
    assert authorised.state == AttemptState.CONFLICTED


def test_sums_that_confirm_another_amount_are_a_contradiction(authorised, worldpay):
    capture = sent(authorised, CAPTURE, OWED)
    told(authorised, "CAPTURED", 1000, capture.reference)
    held = balance("IN_PROCESS_AUTHORISED", 250) + balance("IN_PROCESS_CAPTURED", 1000)
    worldpay(authorised, Verb.INQUIRE, "CAPTURED", OWED, held)
    assert inquire_operation(capture) == "conflicted"
    assert capture.state == State.PENDING


@pytest.mark.parametrize("verb", [Verb.AUTHORISE, Verb.INQUIRE])
@pytest.mark.parametrize("event", ["CAPTURED", "SETTLED", "AUTHORISED"])
def test_an_authorisation_of_another_amount_is_a_contradiction_whatever_came_after_it(
    attempt, worldpay, event, verb
):
    if verb == Verb.INQUIRE:
        authorise(attempt, "unknown")
        worldpay(attempt, verb, event, 1000)
        inquire(attempt)
    else:
        worldpay(attempt, verb, event, 1000)
        authorise(attempt, "approve")
    attempt.refresh_from_db()
    assert attempt.state == AttemptState.CONFLICTED


@pytest.mark.parametrize("event", ["CANCELLED", "EXPIRED"])
def test_once_the_rest_is_released_nothing_more_can_be_captured_and_the_payment_is_final(authorised, event):
    captured(authorised, 800)
    assert not payment_object(authorised.payment).is_final
    told(authorised, event, 450)
    known = Payment.objects.select_related("merchant").get(pk=authorised.payment_id)
    assert available(known.reference).capturable == Money(0, "GBP")
    shown = payment_object(known)
    assert (shown.is_final, shown.amounts.capturable) == (True, 0)
    assert "capture" not in shown.available_actions


def test_an_answer_that_shows_the_release_of_the_rest_ends_what_can_be_captured(authorised, worldpay):
    captured(authorised, 800)
    refund = sent(authorised, REFUND, 100)
    worldpay(authorised, Verb.INQUIRE, "CANCELLED")
    inquire_operation(refund)
    assert available(authorised.payment.reference).capturable == Money(0, "GBP")


def test_a_release_beside_an_open_capture_says_nothing_of_the_rest(authorised):
    captured(authorised, 800)
    sent(authorised, CAPTURE, 450)
    told(authorised, "CANCELLED", 450)
    assert not Payment.objects.get(pk=authorised.payment_id).is_rest_released
