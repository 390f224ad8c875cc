"""An event that a relay cannot publish while its payment is erased is not lost, and has no personal data."""

import pytest

from checkout.errors import OperationRejected
from checkout.payments.actions import erase_payment
from checkout.payments.events.log import EventLog
from checkout.payments.models import Attempt, Event, OutboxMessage, Payment
from tests.payments.service.at_once import behind

pytestmark = [pytest.mark.postgresql, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def event(attempt: Attempt) -> Event:
    Payment.objects.update(state="captured")
    Attempt.objects.update(state="authorised")
    payment = Payment.objects.get()
    return Event.objects.create(
        merchant=payment.merchant,
        payment=payment,
        type="payment.captured",
        sequence=1,
        data={"object": {"customer_email": "ada@example.com"}},
    )


def test_an_erasure_waits_for_a_relay_that_writes_an_event_to_the_outbox_and_is_refused(event: Event):
    log, refused = EventLog(), []
    [message] = log.take()

    def erase() -> None:
        with pytest.raises(OperationRejected) as rejection:
            erase_payment(event.payment.reference, by="ada", reason="asked for it")
        refused.append(str(rejection.value))

    behind(lambda: log.note([message], [message]), erase)
    assert refused == ["The payment has a flow that is under way, or that waits for staff."]
    assert OutboxMessage.objects.get().message_id == event.reference


def test_an_event_that_is_written_after_the_erasure_has_no_address(event: Event):
    log = EventLog()
    [message] = log.take()
    erase_payment(event.payment.reference, by="ada", reason="asked for it")
    log.note([message], [message])
    assert "ada@example.com" not in OutboxMessage.objects.get().body
