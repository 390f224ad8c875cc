"""The notifications service: receipts by e-mail.

No saga waits for a receipt, so a slow or broken mail server never holds up a payment. A receipt is recorded
with the message that tells of it. ``deliver_owed``, a timer of this service, sends the e-mail, and tries
again with growing pauses. What one process has taken to send, others leave alone until it must have ended.
If a process crashes between the mail server's acceptance and its own record, the e-mail is sent again, with
the same message id, by which mailboxes may recognise a duplicate.
"""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import structlog
from django.core.mail import EmailMessage
from django.db import transaction
from django.template import Context
from django.utils import timezone

from checkout import mail
from checkout.conf import conf
from checkout.database.owners import database_of
from checkout.mail.email_addresses import in_ascii
from checkout.mail.of_tests import may_get_test_receipts
from checkout.messages import Done
from checkout.money import Money
from checkout.receipts.messages import SendReceipt
from checkout.receipts.models import Receipt
from checkout.service import Service
from messaging.compiled_queries import insert_in_batch
from messaging.concurrency.database import in_thread
from messaging.worker.service import Message, require_proof

log = structlog.get_logger(__name__)


service = Service("notifications", admit=require_proof, records_last=True)

# Pauses before sending is tried again, in seconds. There is no try after the last one has failed.
RETRY_PAUSES = (60, 300, 1800, 7200, 43_200)
# Further seconds for which a receipt is left to the process that has taken it.
LEASE_MARGIN_SECONDS = 60.0


# These threads wait for those that send, and hold no connection to the database.
_senders = ThreadPoolExecutor(mail.AT_ONCE, thread_name_prefix="receipts")
_EMAIL = mail.template("receipt.txt")


@service.handles(SendReceipt)
def send_receipt(command: SendReceipt, message: Message) -> Done:
    """Record the receipt, once for each payment. Do nothing if the shopper left no address."""
    if command.email:
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
            next_try_at=timezone.now(),
        )
        insert_in_batch(receipt, unless_known=True)
    return Done()


async def deliver_owed() -> int:
    """Send the e-mails that are due, a few at once. Return how many were due."""
    receipts = await in_thread(_take)
    are_sent = await asyncio.gather(*(_send(receipt) for receipt in receipts))
    if receipts:
        await in_thread(_record, receipts, are_sent)
    return len(receipts)


def _take() -> list[Receipt]:
    """Lease receipts that are due."""
    now = timezone.now()
    due = Receipt.objects.filter(next_try_at__lte=now).order_by("next_try_at")
    if not due.exists():
        return []
    lease = timedelta(seconds=mail.longest_seconds() + LEASE_MARGIN_SECONDS)
    with transaction.atomic(using=database_of("receipts")):
        taken = list(due.select_for_update(skip_locked=True)[: mail.AT_ONCE])
        Receipt.objects.filter(pk__in=[receipt.pk for receipt in taken]).update(next_try_at=now + lease)
    return taken


async def _send(receipt: Receipt) -> bool:
    """Send an e-mail, and return True if it was sent. If it is not to be sent again, it has no next try.

    The receipt of a test payment is sent only to an address that the operators allow.
    """
    payment, receipt.next_try_at = receipt.payment_reference, None
    if not receipt.email:
        return False  # it was erased meanwhile
    if receipt.is_test and not may_get_test_receipts(receipt.email):
        log.info("receipt of a test not sent", payment=payment)
        return False
    try:
        email = receipt_email(receipt)
        await asyncio.get_running_loop().run_in_executor(_senders, mail.send, email)
    except OSError:
        log.warning("receipt may not have been sent", payment=payment, exc_info=True)
    except ValueError:
        # The address or text is invalid, so another try would fail as well.
        log.warning("receipt cannot be sent", payment=payment, exc_info=True)
        receipt.failures = len(RETRY_PAUSES)
    else:
        return True
    if receipt.failures < len(RETRY_PAUSES):
        receipt.next_try_at = timezone.now() + timedelta(seconds=RETRY_PAUSES[receipt.failures])
        receipt.failures += 1
    else:
        log.error("receipt given up", payment=payment)
    return False


def _record(receipts: list[Receipt], are_sent: list[bool]) -> None:
    now = timezone.now()
    sent = [receipt for receipt, is_sent in zip(receipts, are_sent, strict=True) if is_sent]
    Receipt.objects.filter(pk__in=[receipt.pk for receipt in sent]).update(sent_at=now, next_try_at=None)
    for receipt in receipts:
        if receipt not in sent:
            receipt.save(update_fields=["next_try_at", "failures"])


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
