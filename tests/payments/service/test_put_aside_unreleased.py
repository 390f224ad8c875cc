"""A purchase that can neither capture nor release its authorisation is put aside and settled by staff.

That happens if somebody has captured a part of it in the provider's portal: the capture of everything is
refused, and so is every void.
"""

import pytest

from checkout.errors import OperationRejected
from checkout.payments.actions import put_aside
from checkout.payments.models import Attempt, OutboxMessage, Payment, Saga
from checkout.payments.sagas.service import service
from checkout.states import PaymentState
from tests.payments.service.contradicting import balances, books_with, envelope_of, settled
from tests.payments.service.delivering import deliver

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


def aside(purchase: Saga) -> Payment:
    """Put the payment aside, and deliver the event that follows. Return the payment."""
    put_aside(purchase.payment.reference, by="ada", reason="Seen in the portal")
    deliver(service, envelope_of(OutboxMessage.objects.filter(type="checkout.apply_provider_event").get()))
    return Payment.objects.get(pk=purchase.payment_id)


def test_what_was_captured_in_the_portal_is_booked_and_the_order_confirmed(purchase: Saga):
    assert aside(purchase).state == PaymentState.CONFLICTED
    payment = settled(purchase.attempt, books_with(235))
    assert payment.state == PaymentState.PARTIALLY_CAPTURED
    assert balances() == {"provider:captured": 235, "merchant:payable": -235}
    purchase.refresh_from_db()
    assert (purchase.step, purchase.status) == ("confirm_order", Saga.Status.RUNNING)


def test_while_it_is_still_tried_it_is_not_put_aside(purchase: Saga):
    Saga.objects.update(status=Saga.Status.RUNNING)
    with pytest.raises(OperationRejected, match="still at work"):
        aside(purchase)
