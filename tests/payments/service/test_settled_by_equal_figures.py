"""Figures of staff that equal ours: the person is recorded, and no saga is told."""

import pytest

from checkout.payments.books.figures import TheirBooks
from checkout.payments.models import Attempt, Event, Fact, Operation, OutboxMessage, Payment, Saga
from checkout.states import PaymentState
from tests.payments.service.contradicting import (
    HELD,
    NOTHING,
    another,
    balances,
    books_with,
    carried_out,
    conflicted,
    posted,
    said,
    settled,
)

pytestmark = pytest.mark.django_db

Kind, P = Operation.Kind, PaymentState


def healthy(attempt: Attempt, state: PaymentState, *operations: tuple[str, int]) -> Attempt:
    """Return an authorised attempt whose payment has these operations, and agrees with them."""
    conflicted(attempt, Attempt.State.AUTHORISED)
    for kind, minor in operations:
        posted(attempt, kind, minor)
    Payment.objects.update(state=state)
    attempt.refresh_from_db()
    return attempt


@pytest.mark.parametrize(
    ("state", "operations", "theirs"),
    [
        (P.AUTHORISED, [], HELD),
        (P.CAPTURED, [(Kind.CAPTURE, 1250)], books_with(1250)),
        (P.PARTIALLY_CAPTURED, [(Kind.CAPTURE, 300)], books_with(300, is_held=True)),
        (P.REFUNDED, [(Kind.CAPTURE, 1250), (Kind.REFUND, 1250)], books_with(1250, refunded=1250)),
        (P.CHARGED_BACK, [(Kind.CAPTURE, 1250), (Kind.CHARGE_BACK, 9)], books_with(1250, charged_back=9)),
        (P.VOIDED, [(Kind.VOID, 1250)], NOTHING),
        (P.EXPIRED, [], NOTHING),
    ],
)
def test_equal_figures_are_a_fact_with_a_name_and_change_nothing_else(
    attempt: Attempt, state: PaymentState, operations: list[tuple[str, int]], theirs: TheirBooks
) -> None:
    healthy(attempt, state, *operations)
    assert_nothing_changes(attempt, theirs)


def test_equal_figures_of_a_released_attempt_change_nothing_either(attempt: Attempt) -> None:
    healthy(attempt, P.VOIDED, (Kind.VOID, 1250))
    paid = another(attempt, Attempt.State.AUTHORISED)
    posted(paid, Kind.CAPTURE)
    Payment.objects.update(state=P.CAPTURED)
    assert_nothing_changes(attempt, NOTHING)
    paid.refresh_from_db()
    assert settled(paid, books_with(1250, refunded=100)).state == P.PARTIALLY_REFUNDED


def test_a_purchase_that_has_ended_does_not_hear_of_them(attempt: Attempt) -> None:
    """The purchase would otherwise believe the money captured for good, whatever becomes of its capture."""
    healthy(attempt, P.CAPTURED, (Kind.CAPTURE, 1250))
    Saga.objects.create(
        kind="purchase",
        key=attempt.order_code,
        payment=attempt.payment,
        attempt=attempt,
        step="finished",
        status=Saga.Status.COMPLETED,
        data={
            "payment": attempt.payment.reference,
            "attempt": attempt.order_code,
            "minor": 1250,
            "currency": "GBP",
            "email": "",
            "ip_address": "",
            "lines": [],
            "captures": True,
            "capture_operation": "op_own",
        },
    )
    assert_nothing_changes(attempt, books_with(1250))


def test_the_same_figures_may_be_entered_again(attempt: Attempt) -> None:
    healthy(attempt, P.CAPTURED, (Kind.CAPTURE, 1250))
    for by in ("ada", "bob"):
        carried_out(said(attempt, books_with(1250), by=by))
    applied = Fact.objects.filter(kind="payment_settled_by_applied").order_by("pk")
    assert [fact.data["by"] for fact in applied] == ["ada", "bob"]


def assert_nothing_changes(attempt: Attempt, theirs: TheirBooks) -> None:
    before, decision = standing(), said(attempt, theirs)
    sent = OutboxMessage.objects.count()
    delivered = carried_out(decision)
    assert standing() == before
    assert (delivered.commands, delivered.pushes) == ([], [])
    assert OutboxMessage.objects.count() == sent
    facts = Fact.objects.filter(kind__startswith="payment_settled_by").order_by("pk")
    assert [(each.kind, each.source, each.data["by"]) for each in facts] == [
        ("payment_settled_by", "staff", "ada"),
        ("payment_settled_by_applied", "staff", "ada"),
    ]


def standing() -> tuple[object, ...]:
    """Return everything that a decision could change, except facts."""
    return (
        list(Payment.objects.values("state", "version")),
        list(Attempt.objects.values("state")),
        list(Operation.objects.values("kind", "state", "amount_minor")),
        list(Saga.objects.values("kind", "step", "status", "version", "data")),
        Event.objects.count(),
        balances(),
    )
