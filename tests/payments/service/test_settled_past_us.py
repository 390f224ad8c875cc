"""A payment that was changed in the provider's portal is settled by figures, whatever shows the change."""

import pytest

from checkout.errors import OperationRejected
from checkout.payments.models import Attempt, Difference, Operation, Payment, Saga
from checkout.payments.sagas.settlement.settleable import attempts_to_settle
from checkout.states import PaymentState
from tests.payments.service.claiming import carried_out, claimed, said
from tests.payments.service.contradicting import (
    another,
    balances,
    books_with,
    conflicted,
    kept,
    posted,
    refused,
    settled,
)

pytestmark = pytest.mark.django_db

Kind = Operation.Kind


@pytest.fixture
def captured(attempt: Attempt) -> Attempt:
    """Return a captured attempt, about which no difference to our books is known."""
    conflicted(attempt, Attempt.State.AUTHORISED)
    posted(attempt, Kind.CAPTURE)
    Payment.objects.update(state=PaymentState.CAPTURED)
    attempt.refresh_from_db()
    return attempt


def test_a_refund_in_the_portal_that_shows_nowhere_is_booked_by_what_staff_found(captured):
    payment = settled(captured, books_with(1250, refunded=950))
    assert payment.state == PaymentState.PARTIALLY_REFUNDED
    assert balances() == {"provider:captured": 300, "merchant:payable": -300}
    [(name, amounts)] = told_of(payment)
    assert name == "payment.partially_refunded"
    assert (amounts["captured"], amounts["refunded"], amounts["capturable"]) == (1250, 950, 0)


def test_a_capture_that_our_books_have_alone_leads_back_to_what_is_held(captured):
    payment = settled(captured, books_with(0, is_held=True))
    assert [name for name, _ in told_of(payment)] == ["payment.authorised"]
    assert balances() == {}


def test_what_was_captured_after_a_void_is_told_at_once_with_the_sums(attempt):
    conflicted(attempt, Attempt.State.AUTHORISED)
    posted(attempt, Kind.VOID)
    Payment.objects.update(state=PaymentState.VOIDED)
    told = told_of(settled(attempt, books_with(300)))
    assert [(name, amounts["captured"]) for name, amounts in told] == [("payment.partially_captured", 300)]


def told_of(payment: Payment) -> list[tuple[str, dict[str, int]]]:
    """Return the types and amounts of the payment's own events."""
    events = payment.events.filter(type__startswith="payment.").order_by("sequence")
    return [(each.type, each.data["object"]["amounts"]) for each in events]


def test_an_authorisation_that_was_cancelled_in_the_portal_is_released(attempt):
    conflicted(attempt, Attempt.State.AUTHORISED)
    Payment.objects.update(state=PaymentState.AUTHORISED, captures_automatically=False)
    assert settled(attempt, books_with(0)).state == PaymentState.VOIDED


@pytest.mark.parametrize("state", [PaymentState.OPEN, PaymentState.PROCESSING, PaymentState.REFUSED])
def test_nothing_is_settled_of_a_payment_without_money(captured, state):
    Payment.objects.update(state=state)
    refused(captured, books_with(1250), "nothing to settle")


def test_the_attempt_whose_sums_differ_comes_before_that_with_the_money(captured):
    other = another(captured, Attempt.State.REFUSED)
    Difference.objects.create(
        account=captured.provider_account,
        payment=captured.payment,
        order_code=other.order_code,
        kind="captured",
        currency="GBP",
        ours_minor=0,
        theirs_minor=1250,
    )
    assert attempts_to_settle(Payment.objects.get()) == [other, captured]


def test_what_was_captured_in_the_portal_before_the_rest_expired_is_booked(attempt):
    """Without sums, the provider's last event is the expiry."""
    conflicted(attempt, Attempt.State.AUTHORISED)
    Payment.objects.update(state=PaymentState.EXPIRED)
    assert settled(attempt, books_with(300)).state == PaymentState.PARTIALLY_CAPTURED
    assert balances() == kept(300)


def test_a_charge_back_of_what_was_captured_before_a_void_is_entered_with_the_capture(attempt):
    conflicted(attempt, Attempt.State.AUTHORISED)
    posted(attempt, Kind.VOID)
    Payment.objects.update(state=PaymentState.VOIDED)
    saga = claimed(attempt, minor=300)
    assert settled(attempt, books_with(300, charged_back=300)).state == PaymentState.CHARGED_BACK
    carried_out(said(saga, is_true=False), saga)
    assert balances() == {}


def test_who_has_entered_nothing_by_mistake_enters_the_capture_later(captured):
    assert settled(captured, books_with(0)).state == PaymentState.VOIDED
    assert balances() == {}
    assert settled(captured, books_with(300)).state == PaymentState.PARTIALLY_CAPTURED
    assert balances() == kept(300)


def test_an_attempt_that_was_called_refused_by_mistake_is_found_held_later(attempt):
    assert settled(conflicted(attempt), books_with(0)).state == PaymentState.VOIDED
    assert attempt.state == Attempt.State.REFUSED
    assert settled(attempt, books_with(0, is_held=True)).state == PaymentState.AUTHORISED


@pytest.fixture
def captured_in_part(attempt: Attempt) -> Attempt:
    """Return an attempt of 12.50 GBP with 3.00 captured in our books, and the rest perhaps in the portal."""
    conflicted(attempt, Attempt.State.AUTHORISED)
    posted(attempt, Kind.CAPTURE, 300)
    Payment.objects.update(state=PaymentState.PARTIALLY_CAPTURED)
    attempt.refresh_from_db()
    return attempt


def test_a_charge_back_for_which_our_books_had_no_room_is_entered_with_the_capture(captured_in_part):
    """No notification reported a capture in the portal, and an order without money has no sums."""
    saga = claimed(captured_in_part, minor=1250)
    settled(captured_in_part, books_with(1250, charged_back=1250))
    carried_out(said(saga, is_true=False), saga)
    assert balances() == {}
    assert Payment.objects.get().state == PaymentState.CHARGED_BACK


def test_a_claim_whose_amount_nobody_told_is_settled_first(captured_in_part):
    saga = claimed(captured_in_part, minor=None)
    with pytest.raises(OperationRejected, match="Settle that first"):
        settled(captured_in_part, books_with(1250, charged_back=1250))
    carried_out(said(saga, is_true=False), saga)
    settled(captured_in_part, books_with(1250, charged_back=1250))


def test_it_waits_until_no_flow_is_at_work(captured):
    Saga.objects.create(kind="refund", key="op_other", payment=captured.payment, attempt=captured)
    refused(captured, books_with(1250), "still at work")
