"""Money that comes back after its order was given up: staff confirm the order after all, or refund.

An issuer returns a charge-back, or a refund fails. The stock has been released by then.
"""

from collections.abc import Callable
from datetime import timedelta

import pytest

from checkout.errors import OperationRejected
from checkout.payments.actions import resume_saga
from checkout.payments.books.apply import fail_refund
from checkout.payments.checkout_messages import ReviewOrder, ReviewPayment
from checkout.payments.models import Attempt, Event, Operation, OutboxMessage, Payment, Saga
from checkout.payments.sagas.service import service
from checkout.states import AttemptState, PaymentState
from tests.payments.service.asking import operation_on
from tests.payments.service.contradicting import (
    HELD,
    another,
    books_with,
    conflicted,
    envelope_of,
    posted,
    settled,
)
from tests.payments.service.delivering import command, deliver
from tests.payments.service.replying import answered, commands_of, notified
from tests.payments.service.test_two_purchases_settled import place_of, purchase_of

pytestmark = pytest.mark.django_db

Kind, Status = Operation.Kind, Saga.Status


@pytest.fixture
def releasing(attempt: Attempt) -> Saga:
    """Return a purchase that releases its stock, because staff found its money captured and charged back."""
    conflicted(attempt)
    purchase = purchase_of(attempt, "conflicted", Status.PARKED)
    assert settled(attempt, books_with(1250, charged_back=1250)).state == PaymentState.CHARGED_BACK
    assert place_of(purchase) == ("release_stock", Status.RUNNING)
    return purchase


@pytest.fixture
def purchase(releasing: Saga) -> Saga:
    """Return the purchase when the stock has been released."""
    answered(releasing)
    assert place_of(releasing) == ("release_stock", Status.COMPENSATED)
    orders_reviewed()
    OutboxMessage.objects.filter(type=ReviewOrder.to).delete()
    return releasing


def reversed_by_issuer(purchase: Saga, minor: int = 1250) -> None:
    posted(purchase.attempt, Kind.CHARGE_BACK_REVERSAL, minor)


def orders_reviewed() -> int:
    """Deliver the commands that request a review of an order, and return their number."""
    rows = OutboxMessage.objects.filter(type=ReviewOrder.to).order_by("pk")
    for row in rows:
        deliver(service, envelope_of(row))
    return len(rows)


def tried_again(purchase: Saga) -> list[str]:
    """Let staff resume the purchase, and return the resulting commands."""
    resume_saga(purchase.pk, by="ada")
    row = OutboxMessage.objects.filter(type="checkout.resume_saga").latest("pk")
    return commands_of(deliver(service, envelope_of(row)))


@pytest.mark.parametrize(("minor", "state"), [(1250, PaymentState.CAPTURED), (1, PaymentState.CHARGED_BACK)])
def test_staff_decide_on_an_order_of_which_money_is_kept_again(
    purchase: Saga, minor: int, state: str
) -> None:
    reversed_by_issuer(purchase, minor)
    assert Payment.objects.get().state == state
    assert orders_reviewed() == 1
    assert place_of(purchase) == ("money_returned", Status.PARKED)
    fact = purchase.payment.facts.get(kind="saga_parked", data__step="money_returned")
    assert "Refund it, or try again" in fact.data["why"]


def test_an_order_that_was_confirmed_is_no_question(purchase: Saga) -> None:
    Saga.objects.filter(pk=purchase.pk).update(step="finished", status=Status.COMPLETED)
    reversed_by_issuer(purchase)
    orders_reviewed()
    assert place_of(purchase) == ("finished", Status.COMPLETED)


def test_money_that_came_back_during_a_contradiction_is_brought_to_staff_afterwards(
    purchase: Saga,
) -> None:
    conflicted(purchase.attempt, AttemptState.AUTHORISED)
    reversed_by_issuer(purchase)
    orders_reviewed()
    assert place_of(purchase) == ("release_stock", Status.COMPENSATED)
    data = {**purchase.data, "is_order_cancelled": True}
    Saga.objects.filter(pk=purchase.pk).update(step="cancel_order", data=data)
    assert settled(purchase.attempt, books_with(1250)).state == PaymentState.CAPTURED
    orders_reviewed()
    assert place_of(purchase) == ("money_returned", Status.PARKED)


def test_the_order_is_not_confirmed_while_all_of_the_money_is_being_refunded(purchase: Saga) -> None:
    reversed_by_issuer(purchase)
    orders_reviewed()
    refund = operation_on(purchase.attempt, Kind.REFUND, 1250)
    with pytest.raises(OperationRejected, match="being refunded"):
        resume_saga(purchase.pk, by="ada")
    Operation.objects.filter(pk=refund.pk).update(state=Operation.State.REFUSED)
    resume_saga(purchase.pk, by="ada")
    Operation.objects.filter(pk=refund.pk).update(state=Operation.State.PENDING)
    row = OutboxMessage.objects.filter(type="checkout.resume_saga").latest("pk")
    assert commands_of(deliver(service, envelope_of(row))) == [], "it was asked for meanwhile"
    assert place_of(purchase) == ("money_returned", Status.PARKED)


def test_the_order_is_not_confirmed_while_the_payment_contradicts_us(purchase: Saga) -> None:
    """The merchant's staff may have refunded the payment in the provider's portal."""
    reversed_by_issuer(purchase)
    orders_reviewed()
    resume_saga(purchase.pk, by="ada")
    conflicted(purchase.attempt, AttemptState.AUTHORISED)
    row = OutboxMessage.objects.filter(type="checkout.resume_saga").latest("pk")
    assert commands_of(deliver(service, envelope_of(row))) == []
    assert "contradicts us" in purchase.payment.facts.get(kind="saga_resumed_not_applied").data["why"]
    with pytest.raises(OperationRejected, match="contradicts us"):
        resume_saga(purchase.pk, by="ada")


def test_an_order_that_staff_have_closed_is_not_brought_back_by_money_that_goes(purchase: Saga) -> None:
    data = {**purchase.data, "is_order_cancelled": True}
    Saga.objects.filter(pk=purchase.pk).update(step="cancel_order", data=data)
    reversed_by_issuer(purchase, 500)
    orders_reviewed()
    assert tried_again(purchase) == []
    OutboxMessage.objects.filter(type=ReviewOrder.to).delete()
    posted(purchase.attempt, Kind.REFUND, 200)
    assert orders_reviewed() == 0
    assert place_of(purchase) == ("cancel_order", Status.COMPENSATED)


def test_it_ends_if_nothing_is_taken_any_more(purchase: Saga) -> None:
    reversed_by_issuer(purchase)
    orders_reviewed()
    conflicted(purchase.attempt, AttemptState.AUTHORISED)
    settled(purchase.attempt, HELD)
    assert tried_again(purchase) == []
    assert place_of(purchase) == ("release_stock", Status.COMPENSATED)


def test_a_review_that_finds_all_of_it_gone_back_confirms_nothing(purchase: Saga) -> None:
    """The review does not bring the order to staff either."""
    for step, status in (("release_stock", Status.COMPENSATED), ("conflicted", Status.PARKED)):
        Saga.objects.filter(pk=purchase.pk).update(step=step, status=status)
        conflicted(purchase.attempt, AttemptState.AUTHORISED)
        deliver(service, command(ReviewPayment(payment=purchase.payment.reference)))
        review = Saga.objects.filter(kind="asking", step="review").latest("pk")
        answered(review, outcome="held")
        assert Payment.objects.get().state == PaymentState.CHARGED_BACK
        orders_reviewed()
        assert place_of(purchase)[0] == "release_stock"


def test_what_staff_settle_meanwhile_does_not_decide_on_the_order(purchase: Saga) -> None:
    reversed_by_issuer(purchase)
    orders_reviewed()
    conflicted(purchase.attempt, AttemptState.AUTHORISED)
    settled(purchase.attempt, books_with(1250, refunded=250))
    assert place_of(purchase) == ("money_returned", Status.PARKED)


def test_tried_again_it_has_the_order_confirmed_and_sends_a_receipt(purchase: Saga) -> None:
    reversed_by_issuer(purchase)
    orders_reviewed()
    assert tried_again(purchase) == ["orders.confirm"]
    purchase.refresh_from_db()
    assert (purchase.data["is_taken"], purchase.data["taken_minor"]) == (True, 1250)
    assert "notifications.send_receipt" in commands_of(answered(purchase))
    assert place_of(purchase) == ("finished", Status.COMPLETED)


def test_once_it_is_refunded_it_ends_when_it_is_tried_again(purchase: Saga) -> None:
    reversed_by_issuer(purchase)
    orders_reviewed()
    posted(purchase.attempt, Kind.REFUND)
    assert Payment.objects.get().state == PaymentState.REFUNDED
    assert tried_again(purchase) == []
    assert place_of(purchase) == ("release_stock", Status.COMPENSATED)


def test_an_order_that_was_called_off_is_never_confirmed(purchase: Saga) -> None:
    data = {**purchase.data, "is_order_cancelled": True}
    Saga.objects.filter(pk=purchase.pk).update(step="cancel_order", data=data)
    reversed_by_issuer(purchase)
    orders_reviewed()
    assert place_of(purchase) == ("money_returned", Status.PARKED)
    assert tried_again(purchase) == []
    assert place_of(purchase) == ("cancel_order", Status.COMPENSATED)


def test_a_refund_that_fails_brings_the_order_back_to_staff_as_well(attempt: Attempt) -> None:
    conflicted(attempt)
    purchase = purchase_of(attempt, "conflicted", Status.PARKED)
    settled(attempt, books_with(1250, refunded=1250))
    answered(purchase)
    refund = Operation.objects.get(kind=Kind.REFUND)
    fail_refund(Payment.objects.get(), refund)
    notified(attempt, "refund_failed", refund.reference)
    saga = Saga.objects.get(kind=Kind.REFUND)
    answered(saga, outcome="refused")
    assert Payment.objects.get().state == PaymentState.CAPTURED
    orders_reviewed()
    assert place_of(purchase) == ("money_returned", Status.PARKED)


def test_while_the_stock_is_still_being_released_it_is_looked_at_again_later(releasing: Saga) -> None:
    reversed_by_issuer(releasing)
    deliver(service, command(ReviewOrder(payment=releasing.payment.reference)))
    later = OutboxMessage.objects.filter(type=ReviewOrder.to).latest("pk")
    assert later.available_at - later.created_at >= timedelta(minutes=10)
    assert place_of(releasing) == ("release_stock", Status.RUNNING)
    answered(releasing)
    deliver(service, envelope_of(later))
    assert place_of(releasing) == ("money_returned", Status.PARKED)


def test_a_purchase_that_is_parked_while_it_undoes_is_looked_at_again_later(releasing: Saga) -> None:
    Saga.objects.filter(pk=releasing.pk).update(status=Status.PARKED)
    reversed_by_issuer(releasing)
    before = OutboxMessage.objects.filter(type=ReviewOrder.to).count()
    deliver(service, command(ReviewOrder(payment=releasing.payment.reference)))
    assert OutboxMessage.objects.filter(type=ReviewOrder.to).count() == before + 1
    assert place_of(releasing) == ("release_stock", Status.PARKED)


def test_nothing_happens_if_the_money_has_gone_again(purchase: Saga) -> None:
    reversed_by_issuer(purchase)
    posted(purchase.attempt, Kind.REFUND)
    assert orders_reviewed() == 1
    assert place_of(purchase) == ("release_stock", Status.COMPENSATED)


def test_an_order_that_another_attempt_has_confirmed_is_left_as_it_is(purchase: Saga) -> None:
    purchase_of(another(purchase.attempt, AttemptState.AUTHORISED), "finished", Status.COMPLETED)
    reversed_by_issuer(purchase)
    orders_reviewed()
    assert place_of(purchase) == ("release_stock", Status.COMPENSATED)


def test_only_the_purchase_whose_own_money_came_back_is_brought_to_staff(purchase: Saga) -> None:
    other = purchase_of(another(purchase.attempt, AttemptState.REFUSED), "release_stock", Status.COMPENSATED)
    reversed_by_issuer(purchase)
    orders_reviewed()
    assert place_of(other) == ("release_stock", Status.COMPENSATED)
    assert place_of(purchase) == ("money_returned", Status.PARKED)


# More goes back than was captured.


@pytest.fixture
def amount_told() -> Callable[[], int]:
    """Return a function that reads the refunded sum in the latest event of the payment itself."""

    def read() -> int:
        events = Event.objects.filter(type__startswith="payment.").order_by("-sequence")
        refunded: int = events[0].data["object"]["amounts"]["refunded"]
        return refunded

    return read


def test_a_second_refund_of_everything_is_told_to_the_merchant(
    attempt: Attempt, amount_told: Callable[[], int]
) -> None:
    """Staff refund the whole sum in the portal. Then a failed refund of ours is made after all."""
    conflicted(attempt)
    settled(attempt, books_with(1250, refunded=1250))
    assert amount_told() == 1250
    posted(attempt, Kind.REFUND, 500)
    assert Payment.objects.get().state == PaymentState.REFUNDED
    assert amount_told() == 1750
