"""The notifications service: receipts by e-mail.

The receipt's row is written with the payment's step, so that a mail server that is down never holds up a
payment. Sending is a command of its own, repeated with growing pauses. A slow mail server is waited for until
it has answered. After a crash between its acceptance and our record of it, the receipt is sent again: it is
sent at least once.
"""

import smtplib

import structlog
from django.core.mail import EmailMessage
from django.db import close_old_connections
from django.template.loader import render_to_string
from django.utils import timezone

from checkout import mail
from checkout.messages import Body, Done
from checkout.money import Money
from checkout.receipts.messages import DeliverReceipt, SendReceipt
from checkout.receipts.models import Receipt
from checkout.service import Service
from messaging.compiled_queries import Compiled, insert_unless_known
from messaging.worker.service import Message, Obsolete, require_proof

log = structlog.get_logger(__name__)


def require_proof_in_time(command: Body, message: Message) -> None:
    """Admit a proven command until its deadline. Raises NotEntitled, or Obsolete after the deadline.

    The saga has then asked again or gone on; the order may have been called off.
    """
    require_proof(command, message)
    deadline = message.envelope.deadline
    if deadline is not None and timezone.now().timestamp() * 1000 > deadline:
        raise Obsolete("its saga waits for it no more")


service = Service("notifications", admit=require_proof_in_time, records_last=True)

# Pauses before sending is tried again, in seconds; after the last one it is given up.
RETRY_PAUSES = (60, 300, 1800, 7200, 43_200)


_RECEIPT = Compiled(lambda payment: Receipt.objects.filter(payment_reference=payment))


@service.handles(SendReceipt)
def send_receipt(command: SendReceipt, message: Message) -> Done:
    """Record that a receipt is owed, and have it sent. Do nothing if the shopper left no address."""
    receipt = Receipt(
        payment_reference=command.payment,
        email=command.email,
        merchant=command.merchant,
        order_reference=command.order_reference,
        description=command.description,
        amount_minor=command.minor,
        currency=command.currency,
    )
    if receipt.email and insert_unless_known(receipt):
        delivery = DeliverReceipt(payment=command.payment)
        message.send(*delivery.address, delivery, reply_to="")
    return Done()


@service.handles(DeliverReceipt, transactional=False)
def deliver_receipt(command: DeliverReceipt, message: Message) -> None:
    """Send the e-mail unless it has been sent, then record it."""
    receipt = _RECEIPT.get(command.payment)
    is_sent = receipt.sent_at is not None
    if not is_sent:
        try:
            email = receipt_email(receipt)
            close_old_connections()
            mail.send(email)
            is_sent = True
        except (OSError, smtplib.SMTPException):
            log.warning("receipt may not have been sent", payment=command.payment, exc_info=True)
    with message.once():
        if is_sent:
            Receipt.objects.filter(pk=receipt.pk, sent_at__isnull=True).update(sent_at=timezone.now())
        elif command.failures < len(RETRY_PAUSES):
            again = DeliverReceipt(payment=command.payment, failures=command.failures + 1)
            pause = RETRY_PAUSES[command.failures]
            message.send(*again.address, again, reply_to="", delay_seconds=pause)
        else:
            log.error("receipt given up", payment=command.payment)


def receipt_email(receipt: Receipt) -> EmailMessage:
    """Return the plain-text e-mail."""
    amount = Money(receipt.amount_minor, receipt.currency)
    return EmailMessage(
        subject=f"Your payment to {receipt.merchant}",
        body=render_to_string("checkout/email/receipt.txt", {"receipt": receipt, "amount": amount}),
        to=[receipt.email],
    )
