"""Staff enter the provider's books of a conflicted payment, and our books are adjusted to them once."""

from dataclasses import replace

import pytest

from checkout.ledger.models import LedgerEntry
from checkout.payments.checkout_messages import SubmitPayment
from checkout.payments.models import Attempt, Operation, Saga
from checkout.payments.sagas.service import service
from checkout.payments.totals import sums_of
from checkout.states import AttemptState, PaymentState
from tests.payments.service.contradicting import (
    HELD,
    NOTHING,
    aside,
    authorised,
    balances,
    books_with,
    conflicted,
    found,
    kept,
    posted,
    refused,
    settled,
    taken,
)
from tests.payments.service.delivering import command, deliver
from tests.payments.service.replying import answered, notified

__all__ = ["aside", "authorised", "taken"]

pytestmark = pytest.mark.django_db

Kind, State = Operation.Kind, Operation.State
A, P = AttemptState, PaymentState


@pytest.mark.parametrize(
    ("theirs", "state"),
    [
        (HELD, P.AUTHORISED),
        (books_with(1250), P.CAPTURED),
        (books_with(1250, is_held=True), P.CAPTURED),
        (books_with(500, is_held=True), P.PARTIALLY_CAPTURED),
        (books_with(500), P.PARTIALLY_CAPTURED),
        (books_with(1250, refunded=300), P.PARTIALLY_REFUNDED),
        (books_with(1250, refunded=1250), P.REFUNDED),
        (books_with(1250, charged_back=300), P.CHARGED_BACK),
        (books_with(1250, refunded=1300, charged_back=1250), P.CHARGED_BACK),
    ],
)
@pytest.mark.parametrize("state_before", [A.CONFLICTED, A.AUTHORISED, A.REFUSED, A.EXPIRED, A.NOT_SENT])
def test_what_is_missing_in_our_books_is_booked_and_the_payment_follows_it(
    attempt, state_before, theirs, state
):
    payment = settled(conflicted(attempt, state_before), theirs)
    assert payment.state == sums_of(payment).state == state
    assert attempt.state == A.AUTHORISED
    sums = sums_of(payment)
    assert (sums.captured, sums.refunded, sums.charged_back) == (
        theirs.captured.minor,
        theirs.refunded.minor,
        theirs.charged_back.minor,
    )
    assert balances() == kept(theirs.kept.minor)
    assert all(saga.status == Saga.Status.COMPLETED for saga in Saga.objects.all())


@pytest.mark.parametrize(
    ("theirs", "captures"),
    [
        (HELD, [("capture", 1250, State.PENDING)]),
        (books_with(1250), [("capture", 1250, State.DONE)]),
        (books_with(500, is_held=True), [("capture", 500, State.DONE)]),
        (NOTHING, []),
    ],
)
def test_a_capture_that_the_authorisation_includes_is_expected_if_only_that_is_held(aside, theirs, captures):
    aside.capture_reference = "op_included"
    aside.save()
    settled(aside, theirs)
    assert found() == captures


def test_the_next_contradiction_is_settled_although_all_looks_as_at_the_first(aside):
    for _ in range(2):
        assert settled(conflicted(aside), HELD).state == P.AUTHORISED


def test_what_is_booked_bears_the_name_of_who_found_it(aside):
    settled(aside, books_with(500))
    operation = Operation.objects.get()
    assert (operation.requested_by, operation.currency, operation.state) == ("ada", "GBP", State.DONE)
    assert "Staff found it" in operation.reason


def test_only_what_our_books_lack_is_booked(taken):
    posted(taken, Kind.REFUND, 200)
    settled(conflicted(taken, A.AUTHORISED), books_with(1250, refunded=500))
    assert found() == [
        ("capture", 1250, State.DONE),
        ("refund", 200, State.DONE),
        ("refund", 300, State.DONE),
    ]
    assert balances() == kept(750)


def test_nothing_is_booked_when_our_sums_are_right(taken):
    assert settled(taken, books_with(1250)).state == P.CAPTURED
    assert found() == [("capture", 1250, State.DONE)]


@pytest.mark.parametrize("before", [A.CONFLICTED, A.REFUSED, A.EXPIRED])
def test_nothing_held_and_nothing_captured_releases_the_payment(attempt, before):
    assert settled(conflicted(attempt, before), NOTHING).state == P.VOIDED
    assert attempt.state == (A.REFUSED if before == A.CONFLICTED else before)
    assert found() == []


def test_the_release_of_an_authorisation_becomes_a_void(authorised):
    assert settled(authorised, NOTHING).state == P.VOIDED
    assert found() == [("void", 1250, State.DONE)]
    assert Saga.objects.get(kind="void").status == Saga.Status.COMPLETED


def test_a_refund_that_the_provider_does_not_have_fails_and_is_booked_back(taken):
    posted(taken, Kind.REFUND, 200)
    refund = posted(taken, Kind.REFUND, 300)
    payment = settled(conflicted(taken, A.AUTHORISED), books_with(1250, refunded=200))
    refund.refresh_from_db()
    assert (refund.state, refund.refusal_reason) == (State.REFUSED, "refund_failed")
    assert Saga.objects.get(key=refund.reference).status == Saga.Status.COMPENSATED
    assert (payment.state, sums_of(payment).left_to_refund) == (P.PARTIALLY_REFUNDED, 1050)
    assert balances() == kept(1050)


@pytest.mark.parametrize(
    ("theirs", "state"), [(HELD, P.AUTHORISED), (books_with(1000), P.PARTIALLY_CAPTURED), (NOTHING, P.VOIDED)]
)
def test_a_capture_that_the_provider_does_not_have_is_taken_out_of_the_books(taken, theirs, state):
    capture = Operation.objects.get()
    payment = settled(taken, replace(theirs, lacks=frozenset({capture.reference})))
    capture.refresh_from_db()
    assert (capture.state, capture.refusal_reason) == (State.REFUSED, "not_found_at_provider")
    assert Saga.objects.get(key=capture.reference).status == Saga.Status.COMPENSATED
    assert payment.state == state
    assert balances() == kept(theirs.captured.minor)
    assert LedgerEntry.objects.filter(posting=f"capture_returned:{capture.reference}").count() == 2


@pytest.mark.parametrize(("theirs", "state"), [(HELD, P.AUTHORISED), (books_with(1250), P.CAPTURED)])
def test_a_void_that_released_nothing_is_taken_back(authorised, theirs, state):
    void = posted(authorised, Kind.VOID)
    payment = settled(conflicted(authorised, A.AUTHORISED), theirs)
    void.refresh_from_db()
    assert (void.state, payment.state) == (State.REFUSED, state)
    assert Saga.objects.get(key=void.reference).status == Saga.Status.COMPENSATED


def test_a_charge_back_that_was_returned_or_never_made_becomes_a_reversal(taken):
    posted(taken, Kind.CHARGE_BACK, 300)
    payment = settled(conflicted(taken, A.AUTHORISED), books_with(1250))
    assert found()[-1] == ("charge_back_reversal", 300, State.DONE)
    assert payment.state == P.CAPTURED
    assert balances() == kept(1250)


def test_staff_say_which_of_two_equal_refunds_the_provider_does_not_have(taken):
    refunds = [posted(taken, Kind.REFUND, 300) for _ in range(2)]
    aside = conflicted(taken, A.AUTHORISED)
    refused(aside, books_with(1250, refunded=300), "do not tell which of them")
    settled(aside, books_with(1250, refunded=300, lacks=frozenset({refunds[0].reference})))
    for refund, state in zip(refunds, (State.REFUSED, State.DONE), strict=True):
        refund.refresh_from_db()
        assert refund.state == state
    assert balances() == kept(950)


def test_several_refunds_may_be_missing_there_and_another_one_here(taken):
    gone = frozenset(posted(taken, Kind.REFUND, minor).reference for minor in (100, 200))
    payment = settled(conflicted(taken, A.AUTHORISED), books_with(1250, refunded=50, lacks=gone))
    assert sums_of(payment).refunded == 50
    assert balances() == kept(1200)


@pytest.mark.parametrize(
    ("theirs", "is_taken"),
    [(HELD, False), (books_with(1250), True), (books_with(500, is_held=True), True)],
)
def test_the_order_is_confirmed_and_counts_as_paid_only_if_money_was_captured(attempt, theirs, is_taken):
    body = SubmitPayment(payment=attempt.payment.reference, attempt=attempt.order_code)
    deliver(service, command(body, sealed="approve"))
    purchase = Saga.objects.get()
    answered(purchase, decision="accept")
    answered(purchase, reserved=True)
    answered(purchase, outcome="conflicted")
    settled(conflicted(attempt), theirs)
    purchase.refresh_from_db()
    assert (purchase.step, purchase.data["is_taken"]) == ("confirm_order", is_taken)


@pytest.mark.parametrize("is_confirmed", [False, True])
@pytest.mark.parametrize("has_heard", [False, True])
def test_an_order_that_was_confirmed_stays_paid_if_staff_find_the_money_taken(
    attempt, is_confirmed, has_heard
):
    """The purchase's own capture, which was never sent, is given up: no money is left for it."""
    purchase = confirmed(attempt, is_confirmed=is_confirmed)
    capture = Saga.objects.get(kind="capture")
    if has_heard:
        Operation.objects.update(state=State.REFUSED)
        notified(attempt, "captured")
    else:
        Saga.objects.filter(pk=capture.pk).update(step="inquire", status=Saga.Status.PARKED)
    payment = settled(conflicted(attempt), books_with(1250))
    assert (payment.state, sums_of(payment).captured) == (P.CAPTURED, 1250)
    assert Operation.objects.get(reference=capture.key).state == State.REFUSED
    purchase.refresh_from_db()
    if not is_confirmed:
        answered(purchase)
    assert (purchase.step, purchase.status) == ("finished", Saga.Status.COMPLETED)


@pytest.mark.parametrize("theirs", [HELD, NOTHING])
def test_an_order_that_was_confirmed_is_not_paid_if_staff_find_that_nothing_was_taken(attempt, theirs):
    purchase = confirmed(attempt, is_confirmed=True)
    Saga.objects.filter(kind="capture").update(step="inquire", status=Saga.Status.PARKED)
    settled(conflicted(attempt), theirs)
    purchase.refresh_from_db()
    assert purchase.step == ("finished" if theirs is HELD else "cancel_order")


@pytest.mark.parametrize("is_confirmed", [False, True])
@pytest.mark.parametrize("is_ours", [False, True])
def test_staff_who_correct_what_they_found_taken_leave_the_order_unpaid(attempt, is_confirmed, is_ours):
    """The money was captured by the purchase's own capture or in the portal, as staff said first."""
    purchase = confirmed(attempt, is_confirmed=is_confirmed)
    capture = Saga.objects.get(kind="capture")
    if is_ours:
        Operation.objects.update(state=State.DONE)
        notified(attempt, "captured")
    else:
        Saga.objects.filter(pk=capture.pk).update(step="inquire", status=Saga.Status.PARKED)
    settled(conflicted(attempt), books_with(1250, refunded=300))
    purchase.refresh_from_db()
    assert purchase.data["is_taken"]
    payment = settled(conflicted(attempt), HELD)
    assert (payment.state, sums_of(payment).captured) == (P.AUTHORISED, 0)
    purchase.refresh_from_db()
    if not is_confirmed:
        answered(purchase)
    assert (purchase.step, purchase.status) == ("unpaid", Saga.Status.PARKED)


def confirmed(attempt: Attempt, *, is_confirmed: bool) -> Saga:
    """Return a purchase whose capture was accepted, and whose order is confirmed or just being confirmed."""
    body = SubmitPayment(payment=attempt.payment.reference, attempt=attempt.order_code)
    deliver(service, command(body, sealed="approve"))
    purchase = Saga.objects.get()
    answered(purchase, decision="accept")
    answered(purchase, reserved=True)
    answered(purchase, outcome="approved")
    answered(Saga.objects.get(kind="capture"), outcome="pending")
    purchase.refresh_from_db()
    assert purchase.step == "confirm_order"
    if is_confirmed:
        answered(purchase)
    return purchase
