"""The notifications service: receipts by e-mail.

No saga waits for a receipt, so a slow or broken mail server never holds up a payment. The receipt's row is
written first. If the e-mail cannot be sent at once, a command of its own tries again, with growing pauses.
The service waits until a slow mail server has answered. If it crashes between the server's acceptance and its
own record, the receipt is sent again, so receipts are sent at least once. A receipt has the same message id
each time, by which mailboxes may recognise a duplicate.
"""

import structlog
from django.core.mail import EmailMessage
from django.db import close_old_connections
from django.template import Context
from django.utils import timezone

from checkout import mail
from checkout.conf import conf
from checkout.mail.email_addresses import in_ascii
from checkout.mail.of_tests import may_get_test_receipts
from checkout.messages import Done
from checkout.money import Money
from checkout.receipts.messages import DeliverReceipt, SendReceipt
from checkout.receipts.models import Receipt
from checkout.service import Service
from messaging.compiled_queries import Compiled, insert_unless_known, update_in_batch
from messaging.worker.service import Message, require_proof

log = structlog.get_logger(__name__)


service = Service("notifications", admit=require_proof, records_last=True)

# Pauses before sending is tried again, in seconds. There is no try after the last one has failed.
RETRY_PAUSES = (60, 300, 1800, 7200, 43_200)


_EMAIL = mail.template("receipt.txt")
_RECEIPT = Compiled(lambda payment: Receipt.objects.filter(payment_reference=payment))


@service.handles(SendReceipt, transactional=False)
def send_receipt(command: SendReceipt, message: Message) -> None:
    """Record the receipt, and send it. Do nothing if the shopper left no address."""
    receipt = Receipt(
        payment_reference=command.payment,
        email=command.email,
        merchant=command.merchant,
        order_reference=command.order_reference,
        description=command.description,
        amount_minor=command.minor,
        currency=command.currency,
        is_reserved=command.is_reserved,
        is_test=command.is_test,
    )
    if not receipt.email:
        with message.once():
            message.reply(Done())
        return
    if not insert_unless_known(receipt):
        message.refuse_repetition()
        receipt = _RECEIPT.get(command.payment)
    _deliver(DeliverReceipt(payment=command.payment), message, receipt)


@service.handles(DeliverReceipt, transactional=False)
def deliver_receipt(command: DeliverReceipt, message: Message) -> None:
    """Try again to send an e-mail."""
    message.refuse_repetition()
    _deliver(command, message, _RECEIPT.get(command.payment))


def _deliver(command: DeliverReceipt, message: Message, receipt: Receipt) -> None:
    """Send the e-mail, and record it. Do nothing if it was sent before, or if its address was erased.

    The receipt of a test payment is sent only to an address that the operators allow.
    """
    is_owed = bool(receipt.email) and receipt.sent_at is None
    if is_owed and receipt.is_test and not may_get_test_receipts(receipt.email):
        log.info("receipt of a test not sent", payment=command.payment)
        is_owed = False
    is_sent, failures = False, command.failures
    if is_owed:
        try:
            email = receipt_email(receipt)
            close_old_connections()
            mail.send(email)
            is_sent = True
        except OSError:
            log.warning("receipt may not have been sent", payment=command.payment, exc_info=True)
        except ValueError:
            # The address or text is invalid, so another try would fail as well.
            log.warning("receipt cannot be sent", payment=command.payment, exc_info=True)
            failures = len(RETRY_PAUSES)
    with message.once():
        if is_sent:
            receipt.sent_at = timezone.now()
            update_in_batch(receipt, "sent_at")
        elif is_owed and failures < len(RETRY_PAUSES):
            again = DeliverReceipt(payment=command.payment, failures=failures + 1)
            message.send(*again.address, again, reply_to="", delay_seconds=RETRY_PAUSES[failures])
        elif is_owed:
            log.error("receipt given up", payment=command.payment)
        message.reply(Done())


def receipt_email(receipt: Receipt) -> EmailMessage:
    """Return the plain-text e-mail."""
    amount = Money(receipt.amount_minor, receipt.currency)
    return EmailMessage(
        subject=f"{'Test: ' if receipt.is_test else ''}Your payment to {receipt.merchant}",
        body=_EMAIL.render(Context({"receipt": receipt, "amount": amount})),
        to=[in_ascii(receipt.email)],
        headers={
            "Message-ID": f"<receipt.{receipt.payment_reference}@{conf.email_domain}>",
            "Auto-Submitted": "auto-generated",  # RFC 3834, prevents out-of-office replies
        },
    )
