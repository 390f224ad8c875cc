"""A payment with two attempts: each purchase receives only decisions about its own money.

The provider denied the first order, the shopper paid with a second one, and the first one turns out to hold
money after all.
"""

from collections.abc import Callable

import pytest

from checkout.payments import service as payments
from checkout.payments.books.figures import TheirBooks
from checkout.payments.checkout_messages import ReviewPayment
from checkout.payments.events import move_attempt
from checkout.payments.messages import ReviewAttempt, ReviewOutcome
from checkout.payments.models import Attempt, Fact, Operation, Payment, Saga
from checkout.payments.objects.payment import payment_object, payment_objects
from checkout.payments.sagas.service import service
from checkout.payments.sagas.settlement.settleable import contradicting_attempt
from checkout.payments.totals import sums_of
from checkout.states import Actor, AttemptState, PaymentState
from tests.payments.service.asking import operation_on
from tests.payments.service.contradicting import (
    HELD,
    NOTHING,
    another,
    books_with,
    carried_out,
    conflicted,
    parked,
    posted,
    said,
    settled,
)
from tests.payments.service.delivering import command, deliver
from tests.payments.service.replying import answered, reply_to

pytestmark = pytest.mark.django_db

Kind, State, Status = Operation.Kind, Operation.State, Saga.Status


@pytest.fixture
def first(attempt: Attempt) -> Saga:
    """Return the purchase of a refused attempt, which has released its stock."""
    return purchase_of(attempt, "release_stock", Status.COMPENSATED)


@pytest.fixture
def second(attempt: Attempt) -> Saga:
    """Return the purchase of a later attempt, which is authorised and has confirmed the order."""
    return purchase_of(another(attempt, AttemptState.AUTHORISED), "finished", Status.COMPLETED)


def purchase_of(attempt: Attempt, step: str, status: str) -> Saga:
    return Saga.objects.create(
        kind="purchase",
        key=attempt.order_code,
        payment=attempt.payment,
        attempt=attempt,
        step=step,
        status=status,
        data={
            "payment": attempt.payment.reference,
            "attempt": attempt.order_code,
            "minor": 1250,
            "currency": "GBP",
            "email": "shopper@example.com",
            "ip_address": "",
            "lines": [],
            "captures": True,
            "capture_operation": f"op_{attempt.number}",
        },
    )


def standing(purchase: Saga, step: str, status: str = Status.PARKED) -> Saga:
    Saga.objects.filter(pk=purchase.pk).update(step=step, status=status)
    return purchase


def place_of(purchase: Saga) -> tuple[str, str]:
    purchase.refresh_from_db()
    return purchase.step, purchase.status


def confirmed(attempt: Attempt, claim: str, answer: str = "confirmed") -> None:
    """Record that the provider has confirmed a claim about an attempt, or that staff have booked it."""
    Saga.objects.create(
        kind="asking",
        key=f"{claim}:1",
        payment=attempt.payment,
        attempt=attempt,
        step="finished",
        status=Status.COMPLETED,
        data={"claim": claim, "answer": answer},
    )
    is_by_staff = answer == "booked"
    Fact.objects.create(
        payment=attempt.payment,
        attempt=attempt,
        source="staff" if is_by_staff else "provider",
        kind="claim_settled_by" if is_by_staff else "claim_confirmed",
        data={"claim": claim, "said": "true"},
    )


def released_by_review(attempt: Attempt) -> Payment:
    """Ask the provider about the conflicted attempt, for which it holds nothing any more."""
    deliver(service, command(ReviewPayment(payment=attempt.payment.reference)))
    review = Saga.objects.get(kind="asking", step="review")
    asked = command(ReviewAttempt(payment=attempt.payment.reference, attempt=attempt.order_code))
    reply_to(review, deliver(payments.service, asked).reply)
    return Payment.objects.get(pk=attempt.payment_id)


# Nothing is held for the first attempt. The second one has the money, or had it.


@pytest.mark.parametrize("ended", [released_by_review, lambda attempt: settled(attempt, NOTHING)])
@pytest.mark.parametrize("state", [PaymentState.CAPTURED, PaymentState.AUTHORISED, PaymentState.VOIDED])
def test_a_purchase_without_money_does_not_confirm_the_order_for_that_of_another(
    first: Saga, second: Saga, state: PaymentState, ended: Callable[[Attempt], Payment]
) -> None:
    """The other's capture may have been refused. Then its authorisation was released, or cannot be."""
    if state == PaymentState.CAPTURED:
        posted(second.attempt, Kind.CAPTURE)
    elif state == PaymentState.VOIDED:
        posted(second.attempt, Kind.VOID)
        standing(second, "release_stock", Status.COMPENSATED)
    else:
        standing(second, "void")
    conflicted(first.attempt)
    assert ended(first.attempt).state == state
    assert place_of(first) == ("release_stock", Status.COMPENSATED)


def test_the_void_of_one_attempt_does_not_release_the_money_of_another(first: Saga, second: Saga) -> None:
    """The provider carries the first authorisation out a day later, when the second one was released."""
    posted(second.attempt, Kind.VOID)
    standing(second, "release_stock", Status.COMPENSATED)
    Attempt.objects.filter(pk=second.attempt_id).update(state=AttemptState.REFUSED)
    conflicted(first.attempt)
    payment = settled(first.attempt, HELD)
    assert payment.state == PaymentState.AUTHORISED
    assert place_of(first) == ("confirm_order", Status.RUNNING)
    assert payment_object(payment).amounts.capturable == 1250
    assert payment_objects([payment]) == [payment_object(payment)]
    posted(first.attempt, Kind.VOID)
    assert Payment.objects.get().state == PaymentState.VOIDED


@pytest.mark.parametrize("ended", [released_by_review, lambda attempt: settled(attempt, NOTHING)])
def test_the_end_of_one_contradiction_does_not_end_that_of_another_attempt(
    first: Saga, second: Saga, ended: Callable[[Attempt], Payment]
) -> None:
    """The provider has confirmed that somebody captured the second order in its portal."""
    confirmed(second.attempt, "captured")
    conflicted(first.attempt)
    payment = ended(first.attempt)
    assert payment.state == PaymentState.CONFLICTED
    assert contradicting_attempt(payment) == second.attempt
    assert settled(second.attempt, books_with(500)).state == PaymentState.PARTIALLY_CAPTURED
    conflicted(first.attempt)
    assert settled(first.attempt, NOTHING).state == PaymentState.PARTIALLY_CAPTURED, "it was looked into"


def test_what_was_said_of_an_attempt_may_be_said_again_when_it_contradicts_us_again(
    first: Saga, second: Saga
) -> None:
    """The other attempt is still to be settled, so all else is unchanged."""
    conflicted(first.attempt, AttemptState.REFUSED)
    conflicted(second.attempt)
    for _ in range(2):
        attempt = Attempt.objects.get(pk=first.attempt_id)
        move_attempt(attempt.payment, attempt, "conflicted", Actor.PROVIDER)
        assert settled(attempt, NOTHING).state == PaymentState.CONFLICTED
        assert attempt.state == AttemptState.REFUSED


@pytest.mark.parametrize("claim", ["authorised", "expired", "charged_back"])
def test_a_claim_that_contradicts_nothing_is_not_waited_for(first: Saga, second: Saga, claim: str) -> None:
    confirmed(second.attempt, claim)
    posted(second.attempt, Kind.CAPTURE)
    conflicted(first.attempt)
    assert settled(first.attempt, NOTHING).state == PaymentState.CAPTURED


def test_a_claim_that_staff_have_booked_is_not_waited_for(first: Saga, second: Saga) -> None:
    """A refund that had failed was made after all."""
    confirmed(second.attempt, "refunded", "booked")
    posted(second.attempt, Kind.CAPTURE)
    conflicted(first.attempt)
    assert settled(first.attempt, NOTHING).state == PaymentState.CAPTURED


def test_a_decision_that_came_too_late_is_not_taken_for_a_look(first: Saga, second: Saga) -> None:
    confirmed(second.attempt, "captured")
    conflicted(first.attempt, AttemptState.REFUSED)
    conflicted(second.attempt, AttemptState.AUTHORISED)
    too_late = said(second.attempt, books_with(500))
    conflicted(first.attempt)
    carried_out(too_late)
    assert Fact.objects.filter(kind="payment_settled_by_not_applied").exists()
    assert settled(first.attempt, NOTHING).state == PaymentState.CONFLICTED
    assert contradicting_attempt(Payment.objects.get()) == second.attempt


@pytest.mark.parametrize("is_made", [False, True])
def test_a_void_that_is_refused_releases_nothing(first: Saga, second: Saga, is_made: bool) -> None:
    """The void of another attempt, which was made, says nothing about it."""
    posted(second.attempt, Kind.VOID)
    standing(second, "release_stock", Status.COMPENSATED)
    Attempt.objects.filter(pk=second.attempt_id).update(state=AttemptState.REFUSED)
    conflicted(first.attempt)
    payment = settled(first.attempt, HELD)
    void = operation_on(first.attempt, Kind.VOID, 1250)
    for state in (State.UNKNOWN, State.PENDING):
        Operation.objects.filter(pk=void.pk).update(state=state)
        assert sums_of(Payment.objects.get()).state == PaymentState.VOID_PENDING
    Operation.objects.filter(pk=void.pk).update(state=State.DONE if is_made else State.REFUSED)
    assert sums_of(payment).state == (PaymentState.VOIDED if is_made else PaymentState.AUTHORISED)


@pytest.mark.parametrize("ended", [released_by_review, lambda attempt: settled(attempt, NOTHING)])
@pytest.mark.parametrize("captured", [0, 500])
def test_an_authorisation_that_has_expired_holds_nothing_but_what_was_captured_of_it(
    first: Saga, second: Saga, captured: int, ended: Callable[[Attempt], Payment]
) -> None:
    """The attempt stays authorised."""
    if captured:
        posted(second.attempt, Kind.CAPTURE, captured)
    else:
        standing(second, "cancel_order", Status.COMPENSATED)
    Saga.objects.create(
        kind="asking",
        key="expired:1",
        payment=second.payment,
        attempt=second.attempt,
        step="finished",
        status=Status.COMPLETED,
        data={"claim": "expired", "answer": "confirmed"},
    )
    conflicted(first.attempt)
    state = PaymentState.PARTIALLY_CAPTURED if captured else PaymentState.VOIDED
    assert ended(first.attempt).state == state


@pytest.mark.parametrize("step", ["inquire", "conflicted", "capture", "void"])
@pytest.mark.parametrize("other", [AttemptState.CONFLICTED, AttemptState.AUTHORISED])
def test_a_purchase_without_money_ends_beside_another_attempt_that_may_have_some(
    first: Saga, step: str, other: AttemptState
) -> None:
    """The purchase would otherwise confirm the order, or void and count the other's money as released."""
    another(first.attempt, other)
    capture = parked(conflicted(first.attempt), Kind.CAPTURE, 1250)
    Saga.objects.filter(pk=capture.pk).update(parent=first)
    standing(first, step)
    settled(first.attempt, NOTHING)
    assert place_of(first) == ("release_stock", Status.RUNNING)
    assert not Operation.objects.filter(kind=Kind.VOID).exists()


@pytest.mark.parametrize("captured", [0, 1250])
def test_the_order_is_called_off_if_nothing_is_held_for_any_attempt(
    first: Saga, second: Saga, captured: int
) -> None:
    """The purchase that has confirmed it belongs to another attempt than the one settled last."""
    if captured:
        posted(second.attempt, Kind.CAPTURE, captured)
    conflicted(first.attempt)
    assert settled(second.attempt, NOTHING).state == PaymentState.CONFLICTED
    assert settled(first.attempt, NOTHING).state == PaymentState.VOIDED
    assert place_of(second) == ("cancel_order", Status.RUNNING)
    assert place_of(first) == ("release_stock", Status.COMPENSATED)


@pytest.mark.parametrize("is_unpaid", [False, True])
@pytest.mark.parametrize("theirs", [HELD, books_with(1250)])
def test_an_order_that_another_attempt_pays_for_is_not_called_unpaid(
    first: Saga, second: Saga, theirs: TheirBooks, is_unpaid: bool
) -> None:
    """The capture of the purchase that has confirmed it is taken back, or had been refused before."""
    capture = posted(second.attempt, Kind.CAPTURE)
    Saga.objects.filter(key=capture.reference).update(parent=second)
    if is_unpaid:
        standing(second, "unpaid")
    conflicted(first.attempt)
    settled(second.attempt, NOTHING)
    assert settled(first.attempt, theirs).state in (PaymentState.AUTHORISED, PaymentState.CAPTURED)
    assert place_of(second) == ("finished", Status.COMPLETED)
    assert place_of(first) == ("confirm_order", Status.RUNNING)


def test_a_review_leaves_an_order_to_staff_that_the_purchase_of_another_attempt_has_confirmed(
    first: Saga, second: Saga
) -> None:
    conflicted(first.attempt)
    settled(second.attempt, NOTHING)
    assert released_by_review(first.attempt).state == PaymentState.CONFLICTED
    assert "another attempt" in Fact.objects.get(kind="review_stands").data["why"]
    assert settled(contradicting_attempt(first.payment), NOTHING).state == PaymentState.VOIDED
    assert place_of(second) == ("cancel_order", Status.RUNNING)


@pytest.mark.parametrize("outcome", [ReviewOutcome.HELD, ReviewOutcome.RELEASED])
def test_a_review_does_not_end_a_contradiction_that_another_attempt_has_begun_meanwhile(
    first: Saga, outcome: ReviewOutcome
) -> None:
    other = another(first.attempt, AttemptState.REFUSED)
    conflicted(first.attempt)
    deliver(service, command(ReviewPayment(payment=first.payment.reference)))
    reviewed = AttemptState.AUTHORISED if outcome == ReviewOutcome.HELD else AttemptState.REFUSED
    Attempt.objects.filter(pk=first.attempt_id).update(state=reviewed)
    Attempt.objects.filter(pk=other.pk).update(state=AttemptState.CONFLICTED)
    answered(Saga.objects.get(kind="asking", step="review"), outcome=outcome)
    assert Payment.objects.get().state == PaymentState.CONFLICTED
    assert place_of(first) == ("release_stock", Status.COMPENSATED)
