"""Movements in the provider's portal beside an operation of ours that is unknown or has failed."""

import pytest

from checkout.payments.books.apply import fail_refund
from checkout.payments.checkout_messages import ApplyProviderEvent
from checkout.payments.messages import CheckClaim
from checkout.payments.models import Attempt, Operation, OutboxMessage, Payment, Saga
from checkout.payments.sagas.service import service as checkout
from checkout.payments.service import service
from checkout.states import PaymentState
from messaging.envelope import Envelope
from tests.payments.service.asking import inquire_operation, operation_on, settle
from tests.payments.service.claiming import carried_out, checked, claimed, to_settle_claim
from tests.payments.service.delivering import command, deliver
from tests.payments.service.replying import answered
from tests.payments.service.test_notification import body, notify, stored
from tests.payments.service.test_operation_inquiry import gbp, lost, without_sums

pytestmark = pytest.mark.django_db

Kind, State = Operation.Kind, Operation.State


@pytest.fixture(autouse=True)
def _without_sums(scenarios) -> None:
    """Let the provider report no sums."""
    without_sums(scenarios)


def captured(attempt: Attempt, books) -> None:
    """Capture the whole amount in both books."""
    books.orders[attempt.order_code].captured = gbp(1250)
    settle(operation_on(attempt, Kind.CAPTURE), State.DONE)
    Payment.objects.update(state=PaymentState.CAPTURED)


def notified(
    attempt: Attempt, event: str, minor: int, reference: str = "", *, is_proven: bool = True
) -> None:
    """Let the payments service apply a notification."""
    text = body(attempt, event, minor=minor, reference=reference)
    notify(attempt, stored(attempt, text, is_proven=is_proven))


@pytest.mark.parametrize("event", ["CAPTURED", "SETTLED"])
def test_a_capture_in_the_portal_does_not_show_that_ours_arrived(authorised, books, event):
    """An order would otherwise be confirmed, with a receipt for money that was never captured.

    The account may not have selected CAPTURED, so that only SETTLED reports the capture.
    """
    ours = lost(authorised, Kind.CAPTURE)
    books.orders[authorised.order_code].captured = gbp(235)
    notified(authorised, event, 235)
    assert inquire_operation(ours) == "unknown"
    assert ours.state == State.UNKNOWN


def test_a_settlement_in_another_currency_may_be_that_of_ours(authorised, books):
    ours = lost(authorised, Kind.CAPTURE)
    books.orders[authorised.order_code].captured = gbp(1250)
    text = body(authorised, "SETTLED", minor=1400, currency="EUR")
    notify(authorised, stored(authorised, text))
    assert inquire_operation(ours) == "approved"


def test_a_refund_in_the_portal_does_not_show_that_ours_arrived(authorised, books):
    captured(authorised, books)
    ours = lost(authorised, Kind.REFUND, 300)
    books.orders[authorised.order_code].refunded = gbp(200)
    notified(authorised, "REFUNDED", 200)
    assert inquire_operation(ours) == "unknown"
    assert ours.state == State.UNKNOWN


@pytest.mark.parametrize(("minor", "is_proven"), [(1250, True), (235, False)])
def test_what_may_be_ours_or_anybody_may_have_sent_hides_nothing(authorised, books, minor, is_proven):
    ours = lost(authorised, Kind.CAPTURE)
    books.orders[authorised.order_code].captured = gbp(1250)
    notified(authorised, "CAPTURED", minor, is_proven=is_proven)
    assert inquire_operation(ours) == "approved"


@pytest.fixture
def failed(authorised, books) -> Operation:
    """Return a refund of 3.00 GBP that has failed."""
    captured(authorised, books)
    refund = operation_on(authorised, Kind.REFUND, 300)
    settle(refund, State.DONE)
    fail_refund(authorised.payment, refund)
    return refund


@pytest.mark.parametrize(
    ("minor", "outcome", "state"), [(300, "booked", "done"), (500, "confirmed", "refused")]
)
def test_a_refund_in_the_portal_in_place_of_a_failed_one_is_that_one_only_if_it_is_of_its_amount(
    authorised, books, failed, minor, outcome, state
):
    books.orders[authorised.order_code].refunded = gbp(minor)
    assert checked(authorised, minor) == outcome
    failed.refresh_from_db()
    assert failed.state == state


def test_staff_do_not_book_a_failed_refund_by_confirming_one_of_another_amount(authorised, failed):
    saga = claimed(authorised, "refunded", 500)
    carried_out(to_settle_claim(saga, is_true=True), saga)
    failed.refresh_from_db()
    assert failed.state == State.REFUSED
    assert Payment.objects.get().state == PaymentState.CONFLICTED


def test_a_capture_that_was_refunded_since_is_confirmed_although_only_a_hint_tells_of_it(authorised, books):
    """The provider reports no sums if nothing of an order is kept, and its last event is the refund."""
    order = books.orders[authorised.order_code]
    order.captured = order.refunded = gbp(1250)
    event = ApplyProviderEvent(
        payment=authorised.payment.reference,
        attempt=authorised.order_code,
        kind="captured",
        minor=1250,
        currency="GBP",
        is_proven=False,
    )
    Payment.objects.update(state=PaymentState.AUTHORISED)
    deliver(checkout, command(event))
    assert Saga.objects.filter(kind="asking").exists()
    told = CheckClaim(
        payment=event.payment,
        attempt=event.attempt,
        claim="captured",
        minor=1250,
        currency="GBP",
        is_proven=False,
    )
    assert deliver(service, command(told)).result["outcome"] == "confirmed"


def test_a_void_is_refused_once_money_was_captured_in_the_portal_and_given_back(authorised, books):
    """The void would otherwise never have an outcome, because the provider refuses it each time."""
    ours = lost(authorised, Kind.VOID)
    order = books.orders[authorised.order_code]
    order.captured = order.refunded = gbp(1250)
    assert inquire_operation(ours) == "refused"


@pytest.mark.parametrize(("state", "is_asked"), [(State.REFUSED, True), (State.DONE, False)])
def test_a_capture_that_has_a_void_refused_and_is_none_of_ours_is_asked_about(
    authorised, books, state, is_asked
):
    """The capture was not notified, or its notification was lost, so only the void's own inquiry shows it."""
    settle(operation_on(authorised, Kind.CAPTURE), state)
    ours = lost(authorised, Kind.VOID)
    books.orders[authorised.order_code].captured = gbp(235)
    Payment.objects.update(state=PaymentState.VOID_PENDING)
    assert inquire_operation(ours) == "refused"
    sent = OutboxMessage.objects.get(type="checkout.apply_provider_event")
    deliver(checkout, Envelope(type=sent.type, body=sent.body.encode(), message_id=sent.message_id))
    saga = Saga.objects.filter(kind="asking").first()
    assert (saga is not None) is is_asked
    if saga is not None:
        answered(saga, outcome=checked(authorised, None, claim="captured"))
        assert Payment.objects.get().state == PaymentState.CONFLICTED
