"""In the state tables, each state is final, ends by a stated time, or offers staff an action."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from checkout.conf import conf
from checkout.money import Money
from checkout.payments import actions
from checkout.payments.actions.staff.handling import NEEDS_ATTENTION
from checkout.payments.models import (
    Attempt,
    Operation,
    OutboxMessage,
    Payment,
    ProviderNotification,
    Saga,
)
from checkout.payments.sagas import DEFINITIONS
from checkout.payments.sagas.settlement.operation import TO_BE_SETTLED
from checkout.payments.timers.abandoned import expire_abandoned
from checkout.payments.timers.authorisations import void_expired
from checkout.payments.timers.deadlines import enqueue_passed_deadlines
from checkout.payments.timers.unmatched import try_unmatched_again
from checkout.payments.timers.unstarted import give_up_unstarted
from checkout.states import AttemptState, PaymentState
from tests.payments.service.asking import authorise, operation_on
from tests.payments.service.conftest import _credentials, account, attempt, books
from tests.payments.service.contradicting import (
    HELD,
    NOTHING,
    balances,
    books_with,
    carried_out,
    conflicted,
    envelope_of,
    kept,
    posted,
    settled,
)
from tests.support.memory_provider.books import Manners
from tests.support.settling import settle_operation

__all__ = ["_credentials", "account", "attempt", "books"]

pytestmark = pytest.mark.django_db

P, A, N = PaymentState, AttemptState, ProviderNotification.State
YEARS = timedelta(days=3650)

# States in which no work is left. A later event, such as a refund, has a move of its own.
FINAL_PAYMENTS = {
    P.PARTIALLY_CAPTURED,
    P.CAPTURED,
    P.VOIDED,
    P.PARTIALLY_REFUNDED,
    P.REFUNDED,
    P.CHARGED_BACK,
    P.CANCELLED,
    P.EXPIRED,
}
# States with a saga that runs or is parked: see the tests below and ``sagas/test_no_step_waits_for_ever.py``.
MOVED_BY_A_SAGA = {P.PROCESSING, P.CHALLENGE_REQUIRED, P.CONFIRMING, P.CAPTURE_PENDING, P.VOID_PENDING}
BY_THE_CLOCK = {P.OPEN: "CHECKOUT_ABANDONED_SECONDS", P.REFUSED: "CHECKOUT_ABANDONED_SECONDS"}
FINAL_ATTEMPTS = {A.AUTHORISED, A.REFUSED, A.NOT_SENT, A.EXPIRED}
OPEN_ATTEMPTS = {A.CREATED, A.SUBMITTED, A.CHALLENGE_REQUIRED, A.CHALLENGE_RETURNED, A.UNKNOWN}
OPEN_OPERATIONS = {Operation.State.REQUESTED, Operation.State.PENDING, Operation.State.UNKNOWN}


def aged(payment: Payment, state: str) -> Payment:
    long_ago = timezone.now() - YEARS
    Payment.objects.filter(pk=payment.pk).update(state=state, created_at=long_ago, updated_at=long_ago)
    payment.refresh_from_db()
    return payment


def saga_of(attempt: Attempt, kind: str, step: str, status: str, **changes: Any) -> Saga:
    deadline = timezone.now() - YEARS if status == Saga.Status.RUNNING else None
    return Saga.objects.create(
        kind=kind,
        key=changes.pop("key", f"{kind}-1"),
        payment=attempt.payment,
        attempt=attempt,
        step=step,
        status=status,
        deadline_at=deadline,
        look_at=deadline,
        **changes,
    )


def test_every_state_is_in_this_walk():
    assert set(P) == FINAL_PAYMENTS | MOVED_BY_A_SAGA | BY_THE_CLOCK.keys() | {P.AUTHORISED, P.CONFLICTED}
    assert set(A) == FINAL_ATTEMPTS | OPEN_ATTEMPTS | {A.CONFLICTED}
    assert set(Operation.State) == OPEN_OPERATIONS | {Operation.State.DONE, Operation.State.REFUSED}
    assert set(N) == {N.RECEIVED, N.APPLIED, *NEEDS_ATTENTION}


@pytest.mark.parametrize("state", BY_THE_CLOCK)
def test_a_payment_that_nobody_pays_expires(attempt, state):
    Attempt.objects.update(state=A.REFUSED)
    aged(attempt.payment, state)
    assert expire_abandoned() == 1
    attempt.payment.refresh_from_db()
    assert attempt.payment.state == P.EXPIRED
    assert conf.checkout_lifetime > timedelta(0)


def test_a_payment_whose_purchase_never_began_may_be_paid_again(attempt):
    aged(attempt.payment, P.PROCESSING)
    Attempt.objects.update(created_at=timezone.now() - YEARS)
    assert give_up_unstarted() == 1
    attempt.payment.refresh_from_db()
    attempt.refresh_from_db()
    assert (attempt.payment.state, attempt.state) == (P.REFUSED, A.NOT_SENT)


def test_an_authorisation_that_nobody_captures_is_released(attempt):
    Attempt.objects.update(state=A.AUTHORISED)
    aged(attempt.payment, P.AUTHORISED)
    Payment.objects.update(held_since=timezone.now() - YEARS)
    assert void_expired() == 1
    assert attempt.operations.get().kind == Operation.Kind.VOID


@pytest.mark.parametrize("state", [P.CONFLICTED])
def test_a_contradiction_is_settled_when_staff_have_the_provider_asked(attempt, books, state):
    authorise(attempt, "approve")
    conflicted(aged(attempt.payment, state).attempts.get(), A.AUTHORISED)
    actions.review_payment(attempt.payment.reference, by="ada", reason="It was looked up.")
    row = OutboxMessage.objects.get(type="checkout.review_payment")
    carried_out(envelope_of(row))
    attempt.payment.refresh_from_db()
    assert attempt.payment.state == P.AUTHORISED
    assert balances() == {}


@pytest.mark.parametrize(
    ("theirs", "state"),
    [
        (NOTHING, P.VOIDED),
        (HELD, P.AUTHORISED),
        (books_with(500, is_held=True), P.PARTIALLY_CAPTURED),
        (books_with(1250), P.CAPTURED),
        (books_with(1250, refunded=300), P.PARTIALLY_REFUNDED),
        (books_with(1250, refunded=1250), P.REFUNDED),
        (books_with(1250, refunded=1250, charged_back=1250), P.CHARGED_BACK),
    ],
)
@pytest.mark.parametrize(
    "of_ours", [(), ("capture",), ("capture", "refund"), ("capture", "refund", "charge_back")]
)
def test_a_contradiction_at_a_provider_that_tells_no_sums_is_settled_by_staff_s_word(
    attempt, books, of_ours, theirs, state
):
    """For any state of both books, a review settles nothing, and a decision of staff settles everything."""
    authorise(attempt, "approve")
    for kind in of_ours:
        posted(conflicted(attempt, A.AUTHORISED), kind, 1250)
    order = books.orders[attempt.order_code]
    order.manners = Manners(tells_position=False)
    order.captured = Money(1250, "GBP")
    aged(attempt.payment, P.CONFLICTED)
    actions.review_payment(attempt.payment.reference, by="ada", reason="It was looked up.")
    carried_out(envelope_of(OutboxMessage.objects.get(type="checkout.review_payment")))
    attempt.payment.refresh_from_db()
    assert attempt.payment.state == P.CONFLICTED
    theirs_of = {"capture": theirs.captured, "refund": theirs.refunded}
    lacks = frozenset(
        each.reference
        for each in Operation.objects.filter(kind__in=theirs_of)
        if theirs_of[each.kind] < each.amount
    )
    payment = settled(attempt, replace(theirs, lacks=lacks))
    assert payment.state == state
    assert balances() == kept(theirs.kept.minor)
    assert not payment.sagas.exclude(status__in=(Saga.Status.COMPLETED, Saga.Status.COMPENSATED)).exists()


@pytest.mark.parametrize("kind", DEFINITIONS)
def test_a_saga_that_waits_too_long_is_taken_up_by_the_timer(attempt, kind):
    for step in sorted(DEFINITIONS[kind].steps):
        saga_of(attempt, kind, step, Saga.Status.RUNNING, key=f"{kind} {step}")
    assert enqueue_passed_deadlines() == len(DEFINITIONS[kind].steps)


@pytest.mark.parametrize("kind", DEFINITIONS)
def test_a_parked_saga_can_be_tried_again_by_staff(attempt, kind):
    for step in sorted(DEFINITIONS[kind].steps):
        saga = saga_of(attempt, kind, step, Saga.Status.PARKED, key=f"{kind} {step}")
        actions.resume_saga(saga.pk, by="ada")
    assert OutboxMessage.objects.filter(type="checkout.resume_saga").count() == len(DEFINITIONS[kind].steps)


@pytest.mark.parametrize("state", OPEN_OPERATIONS)
@pytest.mark.parametrize("kind", ["capture", "void", "refund"])
def test_an_open_operation_whose_saga_is_parked_is_settled_by_staff(attempt, kind, state):
    operation = operation_on(attempt, kind)
    Operation.objects.update(state=state)
    saga_of(attempt, kind, "inquire", Saga.Status.PARKED, key=operation.reference)
    assert Operation.objects.filter(TO_BE_SETTLED).get() == operation
    settle_operation(operation.reference, arrived=True, by="ada", reason="It was looked up.")


@pytest.mark.parametrize("state", NEEDS_ATTENTION)
def test_a_notification_that_cannot_be_applied_is_dealt_with_by_staff(account, state):
    row = ProviderNotification.objects.create(account=account, digest="1", body="<x/>", state=state)
    actions.deal_with_notification(row.pk, by="ada", note="It was about a test.")
    row.refresh_from_db()
    assert row.dealt_with_by == "ada"


def test_a_notification_of_an_unknown_order_is_looked_at_again(account):
    long_ago = timezone.now() - YEARS
    ProviderNotification.objects.create(
        account=account, digest="1", body="<x/>", state=N.UNMATCHED, next_try_at=long_ago
    )
    assert try_unmatched_again() == 1
