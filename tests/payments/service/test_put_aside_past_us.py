"""A payment whose money was perhaps moved in the provider's portal is put aside, if no sums are told."""

import pytest

from checkout.errors import OperationRejected
from checkout.payments.actions import put_aside
from checkout.payments.failed_refunds import FAILED
from checkout.payments.models import Attempt, Fact, Operation, Payment, Saga
from checkout.states import Actor, PaymentState
from tests.payments.service.asking import operation_on, settle
from tests.payments.service.claiming import carried_out, claimed, said
from tests.payments.service.contradicting import (
    balances,
    books_with,
    conflicted,
    posted,
    put_aside_by_staff,
    settled,
)

pytestmark = pytest.mark.django_db

Kind, State = Operation.Kind, Operation.State


@pytest.fixture
def captured(attempt: Attempt) -> Attempt:
    """Return a captured attempt, with which our books agree as far as anybody knows."""
    conflicted(attempt, Attempt.State.AUTHORISED)
    posted(attempt, Kind.CAPTURE)
    Payment.objects.update(state=PaymentState.CAPTURED)
    attempt.refresh_from_db()
    return attempt


def told(attempt: Attempt, kind: str, reference: str = "") -> None:
    """Record a notification's statement."""
    data = {"amount": "9.50 GBP", **({"reference": reference} if reference else {})}
    Fact.objects.create(payment=attempt.payment, attempt=attempt, source=Actor.PROVIDER, kind=kind, data=data)


def refused(attempt: Attempt, kind: str = Kind.REFUND, reason: str = "refused_by_issuer") -> Operation:
    operation = operation_on(attempt, kind, 950)
    settle(operation, State.REFUSED)
    Operation.objects.filter(pk=operation.pk).update(refusal_reason=reason)
    return operation


def is_put_aside(attempt: Attempt) -> bool:
    try:
        return put_aside_by_staff(attempt).state == PaymentState.CONFLICTED
    except OperationRejected:
        return False


def test_a_refund_in_the_portal_that_only_a_hint_tells_of_is_booked_by_what_staff_found(captured):
    told(captured, "hinted_refunded")
    assert is_put_aside(captured)
    payment = settled(captured, books_with(1250, refunded=950))
    assert payment.state == PaymentState.PARTIALLY_REFUNDED
    assert balances() == {"provider:captured": 300, "merchant:payable": -300}
    events = payment.events.filter(type__startswith="payment.").order_by("sequence")
    last = [(each.type, each.data["object"]["amounts"]) for each in events][-2:]
    assert [name for name, _ in last] == ["payment.authorised", "payment.partially_refunded"]
    # The event that ends the contradiction is followed at once by that of the sums, and has them already.
    for _, amounts in last:
        assert (amounts["captured"], amounts["refunded"], amounts["capturable"]) == (1250, 950, 0)


def test_so_is_one_that_is_not_notified_after_the_provider_has_refused_ours(captured):
    refused(captured)
    assert is_put_aside(captured)
    payment = settled(captured, books_with(1250, refunded=950))
    assert payment.state == PaymentState.PARTIALLY_REFUNDED


@pytest.mark.parametrize(
    "kind", ["notified_refunded", "notified_captured", "hinted_captured", "hinted_refund_sent"]
)
def test_a_movement_that_names_none_of_ours_is_a_reason(captured, kind):
    told(captured, kind, "REF-4711")
    assert is_put_aside(captured)


@pytest.mark.parametrize("kind", ["notified_authorised", "notified_settled", "hinted_cancelled"])
def test_other_statements_are_none(captured, kind):
    told(captured, kind)
    assert not is_put_aside(captured)


def test_nor_is_one_that_names_ours(captured):
    told(captured, "notified_captured", captured.operations.get().reference)
    assert not is_put_aside(captured)


def test_nor_is_that_of_the_capture_which_the_authorisation_included(captured):
    Attempt.objects.update(capture_reference=captured.operations.get().reference)
    told(captured, "notified_captured")
    assert not is_put_aside(captured)


@pytest.mark.parametrize("reason", [FAILED, "not_found_at_provider"])
def test_nor_is_a_refund_that_failed_or_was_not_found(captured, reason):
    refused(captured, reason=reason)
    assert not is_put_aside(captured)


def test_nor_is_a_refused_capture_of_what_was_voided_since(captured):
    captured.operations.all().delete()
    refused(captured, Kind.CAPTURE)
    Payment.objects.update(state=PaymentState.VOIDED)
    assert not is_put_aside(captured)


@pytest.fixture
def captured_in_part(attempt: Attempt) -> Attempt:
    """Return an attempt of 12.50 GBP with 3.00 captured in our books, and the rest perhaps in the portal."""
    conflicted(attempt, Attempt.State.AUTHORISED)
    posted(attempt, Kind.CAPTURE, 300)
    Payment.objects.update(state=PaymentState.PARTIALLY_CAPTURED)
    attempt.refresh_from_db()
    return attempt


def test_a_charge_back_for_which_our_books_have_no_room_is_a_reason(captured_in_part):
    """No notification told of a capture in the portal, and an order without money has no sums."""
    saga = claimed(captured_in_part, minor=1250)
    assert is_put_aside(captured_in_part)
    settled(captured_in_part, books_with(1250, charged_back=1250))
    carried_out(said(saga, is_true=False), saga)
    assert balances() == {}
    assert Payment.objects.get().state == PaymentState.CHARGED_BACK


def test_so_is_one_of_which_nobody_told_the_amount(captured_in_part):
    saga = claimed(captured_in_part, minor=None)
    assert is_put_aside(captured_in_part)
    with pytest.raises(OperationRejected, match="Settle that first"):
        settled(captured_in_part, books_with(1250, charged_back=1250))
    carried_out(said(saga, is_true=False), saga)
    settled(captured_in_part, books_with(1250, charged_back=1250))


def test_one_for_which_there_is_room_is_none(captured_in_part):
    claimed(captured_in_part, minor=300)
    assert not is_put_aside(captured_in_part)


def test_it_waits_until_no_flow_is_at_work(captured):
    told(captured, "hinted_refunded")
    Saga.objects.create(kind="refund", key="op_other", payment=captured.payment, attempt=captured)
    with pytest.raises(OperationRejected, match="still at work"):
        put_aside(captured.payment.reference, by="ada", reason="Seen in the portal")
