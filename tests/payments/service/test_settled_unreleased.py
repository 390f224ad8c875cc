"""A purchase that can neither capture nor void its authorisation is settled by staff.

That happens if somebody has captured a part of it in the provider's portal: the capture of the whole amount
is refused, and so is every void.
"""

import json

import pytest

from checkout.payments.actions import resume_saga
from checkout.payments.books.figures import TheirBooks
from checkout.payments.models import Attempt, Operation, OutboxMessage, Payment, Saga
from checkout.payments.sagas.service import service
from checkout.payments.totals import sums_of
from checkout.states import AttemptState, PaymentState
from messaging.envelope import Reply
from tests.payments.service.contradicting import (
    HELD,
    NOTHING,
    another,
    balances,
    books_with,
    envelope_of,
    parked,
    posted,
    refused,
    settled,
)
from tests.payments.service.delivering import deliver
from tests.payments.service.replying import reply_to

pytestmark = pytest.mark.django_db


@pytest.fixture
def purchase(attempt: Attempt) -> Saga:
    """Return a purchase whose capture and voids were refused."""
    Attempt.objects.update(state=Attempt.State.AUTHORISED)
    Payment.objects.update(state=PaymentState.AUTHORISED)
    return Saga.objects.create(
        kind="purchase",
        key=attempt.order_code,
        payment=attempt.payment,
        attempt=attempt,
        step="void",
        status=Saga.Status.PARKED,
        data={
            "payment": attempt.payment.reference,
            "attempt": attempt.order_code,
            "minor": 1250,
            "currency": "GBP",
            "email": "",
            "ip_address": "",
            "lines": [],
            "captures": True,
            "capture_operation": attempt.capture_reference,
            "voids": 1,
        },
    )


def test_what_was_captured_in_the_portal_is_booked_and_the_order_confirmed(purchase: Saga):
    payment = settled(purchase.attempt, books_with(235))
    assert payment.state == PaymentState.PARTIALLY_CAPTURED
    assert balances() == {"provider:captured": 235, "merchant:payable": -235}
    purchase.refresh_from_db()
    assert (purchase.step, purchase.status) == ("confirm_order", Saga.Status.RUNNING)
    assert not payment.events.filter(type="payment.unknown").exists()


@pytest.mark.parametrize(
    ("books", "step"),
    [
        (books_with(1250, refunded=1250), "release_stock"),
        (books_with(235, refunded=100, charged_back=135), "release_stock"),
        (books_with(1250, refunded=1249), "confirm_order"),
        (books_with(235, refunded=235, is_held=True), "confirm_order"),
    ],
)
def test_an_order_whose_money_all_went_back_in_the_portal_is_not_confirmed(
    purchase: Saga, books: TheirBooks, step: str
):
    settled(purchase.attempt, books)
    purchase.refresh_from_db()
    assert purchase.step == step


@pytest.mark.parametrize("status", [Saga.Status.RUNNING, Saga.Status.COMPENSATED])
def test_an_order_that_was_given_up_stays_so_if_its_money_was_taken_and_given_back(
    purchase: Saga, status: str
):
    Saga.objects.update(step="release_stock", status=status)
    Attempt.objects.update(state=AttemptState.CONFLICTED)
    Payment.objects.update(state=PaymentState.CONFLICTED)
    assert settled(purchase.attempt, books_with(1250, refunded=1250)).state == PaymentState.REFUNDED
    purchase.refresh_from_db()
    assert (purchase.step, purchase.status) == ("release_stock", status)


@pytest.mark.parametrize("is_tried_again", [False, True])
def test_a_receipt_is_for_what_was_taken_in_the_portal(purchase: Saga, is_tried_again: bool):
    purchase.data["email"] = "shopper@example.com"
    purchase.save()
    if is_tried_again:
        posted(purchase.attempt, Operation.Kind.CAPTURE, 235)
        Payment.objects.update(state=PaymentState.PARTIALLY_CAPTURED)
        resume_saga(purchase.pk, by="ada")
        deliver(service, envelope_of(OutboxMessage.objects.get(type="checkout.resume_saga")))
    else:
        settled(purchase.attempt, books_with(235))
    reply_to(purchase, Reply.success({}))
    receipt = OutboxMessage.objects.get(type="notifications.send_receipt")
    assert (json.loads(receipt.body)["minor"], purchase.step) == (235, "finished")


def test_a_void_without_an_outcome_ends_if_nothing_turns_out_to_be_held(purchase: Saga):
    void = void_of(purchase)
    payment = settled(purchase.attempt, NOTHING)
    assert payment.state == sums_of(payment).state == PaymentState.VOIDED
    purchase.refresh_from_db()
    void.refresh_from_db()
    assert (purchase.step, void.status) == ("release_stock", Saga.Status.COMPLETED)


@pytest.mark.parametrize("state", [AttemptState.CONFLICTED, AttemptState.AUTHORISED])
def test_it_releases_nothing_more_if_another_attempt_turns_out_to_hold_the_money(
    purchase: Saga, state: AttemptState
):
    """A repeated void would find nothing held, and count the other attempt's money as released."""
    void = void_of(purchase)
    other = another(purchase.attempt, state)
    if state == AttemptState.CONFLICTED:
        Payment.objects.update(state=PaymentState.CONFLICTED)
    payment = settled(purchase.attempt, NOTHING)
    if state == AttemptState.CONFLICTED:
        payment = settled(other, HELD)
    assert payment.state == PaymentState.AUTHORISED
    purchase.refresh_from_db()
    void.refresh_from_db()
    assert (purchase.step, void.status) == ("release_stock", Saga.Status.COMPENSATED)


def void_of(purchase: Saga) -> Saga:
    """Return the parked saga of a void of unknown outcome."""
    void = parked(purchase.attempt, Operation.Kind.VOID, 1250)
    Saga.objects.filter(pk=void.pk).update(parent=purchase)
    void.refresh_from_db()
    return void


@pytest.mark.parametrize(("captured", "step"), [(235, "confirm_order"), (1250, "confirm_order"), (0, "void")])
def test_once_the_money_is_in_our_books_it_confirms_the_order_when_it_is_tried_again(
    purchase: Saga, captured: int, step: str
):
    """A review may have found the money, or staff captured it. A further void could release the rest."""
    if captured:
        posted(purchase.attempt, Operation.Kind.CAPTURE, captured)
        Payment.objects.update(state=sums_of(Payment.objects.get()).state)
    resume_saga(purchase.pk, by="ada")
    deliver(service, envelope_of(OutboxMessage.objects.get(type="checkout.resume_saga")))
    purchase.refresh_from_db()
    assert (purchase.step, purchase.status) == (step, Saga.Status.RUNNING)
    assert Operation.objects.filter(kind="void").exists() == (step == "void")


@pytest.mark.parametrize(
    ("refunded", "charged_back", "standing", "step"),
    [
        (1250, 0, "confirm_order", "cancel_order"),
        (0, 1250, "confirm_order", "cancel_order"),
        (300, 950, "confirm_order", "cancel_order"),
        (0, 949, "confirm_order", "confirm_order"),
        (0, 949, "void", "confirm_order"),
        (300, 949, "void", "confirm_order"),
    ],
)
def test_an_order_of_which_nothing_was_kept_is_called_off_when_it_is_tried_again(
    purchase: Saga, refunded: int, charged_back: int, standing: str, step: str
):
    """A refund of money that an issuer took is refused, so there is no other way to call the order off."""
    Saga.objects.filter(pk=purchase.pk).update(step=standing)
    posted(purchase.attempt, Operation.Kind.CAPTURE, 1250)
    for kind, minor in ((Operation.Kind.REFUND, refunded), (Operation.Kind.CHARGE_BACK, charged_back)):
        if minor:
            posted(purchase.attempt, kind, minor)
    Payment.objects.update(state=sums_of(Payment.objects.get()).state)
    resume_saga(purchase.pk, by="ada")
    deliver(service, envelope_of(OutboxMessage.objects.get(type="checkout.resume_saga")))
    purchase.refresh_from_db()
    assert (purchase.step, purchase.status) == (step, Saga.Status.RUNNING)


def test_while_it_is_still_tried_it_is_not_settled(purchase: Saga):
    Saga.objects.update(status=Saga.Status.RUNNING)
    refused(purchase.attempt, books_with(235), "still at work")
