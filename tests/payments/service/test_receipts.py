"""Receipts are recorded in the transaction of the payment's step, and sent after it at least once."""

import smtplib

import pytest
from django.core import mail
from django.core.mail.backends.locmem import EmailBackend
from django.utils import timezone
from msgspec.structs import replace

from checkout.payments.models import OutboxMessage
from checkout.receipts.messages import SendReceipt
from checkout.receipts.models import Receipt
from checkout.receipts.service import RETRY_PAUSES, service
from messaging.access.proofs import prove
from messaging.envelope import Envelope
from messaging.worker.service import NotEntitled, Obsolete
from tests.payments.service import crashing
from tests.payments.service.crashing import Crash
from tests.payments.service.delivering import admit, command, deliver

# A receipt is sent after its transaction, by a thread that has given back its connection.
pytestmark = pytest.mark.django_db(transaction=True)


class AbsentMailServer(EmailBackend):
    """A mail server that does not answer."""

    def send_messages(self, messages: object) -> int:
        raise smtplib.SMTPServerDisconnected("Connection unexpectedly closed")


NOBODY = f"{__name__}.AbsentMailServer"
RECEIPT = SendReceipt(
    payment="pay_1",
    email="shopper@example.com",
    merchant="The Shop",
    order_reference="A-1",
    description="Tea",
    minor=1250,
    currency="GBP",
)


def send_receipt(attempt) -> list[Envelope]:
    payment = attempt.payment
    body = SendReceipt(
        payment=payment.reference,
        email=payment.shopper_email,
        merchant=payment.merchant.name,
        order_reference=payment.order_reference,
        description=payment.description,
        minor=payment.amount_minor,
        currency=payment.currency,
    )
    delivered = deliver(service, command(body))
    assert delivered.reply.ok
    return delivered.commands


def test_a_receipt_tells_who_was_paid_how_much_and_for_what(attempt):
    [delivery] = send_receipt(attempt)
    assert mail.outbox == [], "not within the payment's step"
    deliver(service, delivery)
    [message] = mail.outbox
    assert message.to == ["shopper@example.com"]
    assert message.subject == "Your payment to The Shop"
    for part in ("The Shop", "A-1", "Tea", "12.50 GBP", attempt.payment.reference):
        assert part in message.body
    assert Receipt.objects.get().sent_at is not None


def test_a_name_is_printed_as_it_is(attempt):
    attempt.payment.merchant.name = "Cup & Saucer"
    [delivery] = send_receipt(attempt)
    deliver(service, delivery)
    assert "Cup & Saucer" in mail.outbox[0].body


def test_a_receipt_asked_for_twice_is_sent_once(attempt):
    [delivery] = send_receipt(attempt)
    assert send_receipt(attempt) == []
    deliver(service, delivery)
    deliver(service, delivery)
    assert len(mail.outbox) == 1


def test_a_shopper_without_an_address_gets_none(attempt):
    attempt.payment.shopper_email = ""
    assert send_receipt(attempt) == []
    assert not Receipt.objects.exists()


def test_an_e_mail_is_sent_only_for_a_command_of_the_gateway(attempt):
    [delivery] = send_receipt(attempt)
    admit(service, delivery)
    with pytest.raises(NotEntitled):
        admit(service, replace(delivery, headers={}))


def test_a_receipt_that_its_saga_waits_for_no_more_is_not_owed():
    now = round(timezone.now().timestamp() * 1000)
    for_payment = command(RECEIPT)
    in_time, late = (
        prove(replace(for_payment, headers={**for_payment.headers, "deadline": deadline}))
        for deadline in (now + 60_000, now - 1)
    )
    admit(service, in_time)
    with pytest.raises(Obsolete):
        admit(service, late)


def test_a_crash_after_sending_sends_it_again(attempt):
    [delivery] = send_receipt(attempt)
    with crashing.before_the_outcome_is_stored(), pytest.raises(Crash):
        deliver(service, delivery)
    assert Receipt.objects.get().sent_at is None
    deliver(service, delivery)
    assert len(mail.outbox) == 2
    assert Receipt.objects.get().sent_at is not None


def test_a_mail_server_that_is_down_is_tried_again_later(attempt, settings):
    [delivery] = send_receipt(attempt)
    settings.EMAIL_BACKEND = NOBODY
    assert deliver(service, delivery).outgoing == []
    again = OutboxMessage.objects.get(causation_id=delivery.message_id)
    assert (again.available_at - again.created_at).total_seconds() == RETRY_PAUSES[0]
    settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
    deliver(service, again.envelope())
    assert len(mail.outbox) == 1


def test_a_mail_server_that_stays_down_is_given_up_and_told_to_an_operator(attempt, settings, caplog):
    settings.EMAIL_BACKEND = NOBODY
    [delivery] = send_receipt(attempt)
    for _ in RETRY_PAUSES:
        deliver(service, delivery)
        delivery = OutboxMessage.objects.get(causation_id=delivery.message_id).envelope()
    deliver(service, delivery)
    assert not OutboxMessage.objects.filter(causation_id=delivery.message_id).exists()
    assert [record.levelname for record in caplog.records].count("ERROR") == 1
