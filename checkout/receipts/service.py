"""The notifications service: receipts by e-mail.

No saga waits for a receipt, so a slow or broken mail server never delays a payment. The handler of the
command only writes a row. A timer of this service, ``deliver_owed``, sends the e-mail, and tries again with
growing pauses. While a process sends a receipt, other processes do not send it. If a process crashes between
the mail server's answer and the update of the row, the e-mail is sent again with the same message id, by
which mailboxes may recognise a duplicate.
"""

import asyncio
from datetime import timedelta

import structlog
from django.core.mail import EmailMultiAlternatives
from django.db import transaction
from django.template import Context
from django.utils import translation
from django.utils.translation import gettext as _
from msgspec import structs

from checkout import mail
from checkout.conf import conf
from checkout.database.owners import database_of
from checkout.languages import language_among, load_catalogues
from checkout.localised_money import localised_money
from checkout.localised_times import localised_time
from checkout.mail.email_addresses import in_ascii
from checkout.mail.of_tests import may_get_test_receipts
from checkout.messages import Done
from checkout.money import Money
from checkout.receipts.messages import SendReceipt, SendRefundReceipt
from checkout.receipts.models import Receipt
from checkout.service import Service
from messaging.compiled_queries import insert_in_batch
from messaging.concurrency.database import in_thread
from messaging.outbox.clock import server_time, server_time_now
from messaging.worker.service import Message, require_proof

log = structlog.get_logger(__name__)


service = Service("notifications", admit=require_proof, records_last=True)

# The pauses before each further try, in seconds. After the failure of the last try there is none.
RETRY_PAUSES = (60, 300, 1800, 7200, 43_200)
# Seconds that a lease lasts beyond the longest time of sending.
LEASE_MARGIN_SECONDS = 60.0
# After this number of e-mails the function returns, so that the process can stop.
MOST = 100
# If an e-mail takes longer than this number of seconds, others are started beside it.
SLOW_SECONDS = 1.0


_TEXT, _HTML = mail.template("receipt.txt"), mail.template("receipt.html")
TIMES = "\N{MULTIPLICATION SIGN}"
# The fields that a refund's receipt copies from the payment's receipt.
OF_THE_PAYMENT = (
    *("payment_reference", "email", "merchant", "order_reference", "description", "locale"),
    *("minutes_behind_utc", "card_brand", "card_last4", "support_email", "support_phone", "logo_url"),
    "is_test",
)
load_catalogues()


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
            locale=command.locale,
            minutes_behind_utc=command.minutes_behind_utc,
            lines=[structs.asdict(line) for line in command.lines],
            card_brand=command.card_brand[:40],
            card_last4=command.card_last4[:4],
            support_email=command.support_email[:254],
            support_phone=command.support_phone[:30],
            logo_url=command.logo_url[:600],
            is_reserved=command.is_reserved,
            is_test=command.is_test,
            next_try_at=server_time(database_of("receipts")),
        )
        insert_in_batch(receipt, unless_known=True)
    return Done()


@service.handles(SendRefundReceipt)
def send_refund_receipt(command: SendRefundReceipt, message: Message) -> Done:
    """Record the receipt of a refund, once, if the payment has a receipt with an address."""
    rows = Receipt.objects.filter(payment_reference=command.payment, refund="").exclude(email="")
    # Locked, so that an address that is being erased is not copied (``erasure``).
    paid = rows.select_for_update(no_key=True).first()
    if paid is not None:
        receipt = Receipt(
            **{name: getattr(paid, name) for name in OF_THE_PAYMENT},
            refund=command.operation,
            amount_minor=command.minor,
            currency=command.currency,
            next_try_at=server_time(database_of("receipts")),
        )
        insert_in_batch(receipt, unless_known=True)
    return Done()


async def deliver_owed() -> int:
    """Send the e-mails that are due, a few at a time, and return their number.

    A slow mail server delays only its own e-mail.
    """
    begun, sending = 0, set[asyncio.Task[None]]()
    while True:
        free = mail.AT_ONCE - len(sending) if begun < MOST else 0
        taken = await in_thread(_take, free) if free else []
        begun += len(taken)
        sending |= {asyncio.create_task(_deliver(receipt)) for receipt in taken}
        if not sending:
            return begun
        done, sending = await asyncio.wait(sending, timeout=SLOW_SECONDS)
        for task in done:
            task.result()


def _take(most: int) -> list[Receipt]:
    """Lease receipts that are due, and return them."""
    database = database_of("receipts")
    owed = Receipt.objects.filter(sent_at=None, next_try_at__lte=server_time(database))
    if not owed.order_by().exists():
        return []
    until = server_time_now(database) + timedelta(seconds=mail.longest_seconds() + LEASE_MARGIN_SECONDS)
    with transaction.atomic(using=database):
        taken = list(owed.order_by("next_try_at").select_for_update(skip_locked=True)[:most])
        Receipt.objects.filter(pk__in=[receipt.pk for receipt in taken]).update(next_try_at=until)
    for receipt in taken:
        receipt.next_try_at = until
    return taken


async def _deliver(receipt: Receipt) -> None:
    """Send an e-mail that is still wanted, and record the outcome."""
    is_sent, is_over = False, not _is_wanted(receipt)
    if not is_over:
        try:
            await mail.send(receipt_email(receipt))
            is_sent = True
        except ValueError:
            # The address or the text is invalid, so further tries would fail as well.
            log.warning("receipt cannot be sent", payment=receipt.payment_reference, exc_info=True)
            receipt.failures = len(RETRY_PAUSES)
        except Exception:
            log.warning("receipt may not have been sent", payment=receipt.payment_reference, exc_info=True)
        if not is_sent and receipt.failures >= len(RETRY_PAUSES):
            log.error("receipt given up", payment=receipt.payment_reference)
            is_over = True
    await in_thread(_record, receipt, is_sent=is_sent, is_over=is_over)


def _is_wanted(receipt: Receipt) -> bool:
    """Return False if the address was erased, or may not get receipts of test payments."""
    if receipt.email and receipt.is_test and not may_get_test_receipts(receipt.email):
        log.info("receipt of a test not sent", payment=receipt.payment_reference)
        return False
    return bool(receipt.email)


def _record(receipt: Receipt, *, is_sent: bool, is_over: bool) -> None:
    """Record the outcome, unless the lease has ended and another process has leased the receipt."""
    mine = Receipt.objects.filter(pk=receipt.pk, next_try_at=receipt.next_try_at)
    now = server_time(database_of("receipts"))
    if is_sent:
        mine.update(sent_at=now, next_try_at=None)
    elif is_over:
        mine.update(next_try_at=None)
    else:
        pause = timedelta(seconds=RETRY_PAUSES[receipt.failures])
        mine.update(next_try_at=now + pause, failures=receipt.failures + 1)


def receipt_email(receipt: Receipt) -> EmailMultiAlternatives:
    """Return the e-mail in the shopper's language, as plain text and as HTML."""
    language = language_among(receipt.locale).like(receipt.locale)
    with translation.override(language.code):
        subject = _subject(receipt).format(shop=receipt.merchant)
        amount = localised_money(Money(receipt.amount_minor, receipt.currency), language.formats)
        context = {
            "receipt": receipt,
            "language": language,
            "subject": subject,
            "amount": amount,
            "given_back": _("{refunded} has been given back to your card.").format(refunded=amount),
            "rows": _rows(receipt, language.formats),
        }
        body, html = _TEXT.render(Context(context)), _HTML.render(Context(context))
    # The id changes when a receipt is sent again on purpose: mailboxes may drop a second e-mail with the same
    # id.
    names = (receipt.payment_reference, receipt.refund, str(receipt.resendings or ""))
    email = EmailMultiAlternatives(
        subject=subject,
        body=body,
        to=[in_ascii(receipt.email)],
        headers={
            "Content-Language": language.code,
            "Message-ID": f"<receipt.{'.'.join(filter(None, names))}@{conf.email_domain}>",
            "Auto-Submitted": "auto-generated",  # prevents out-of-office replies (RFC 3834)
        },
    )
    email.attach_alternative(html, "text/html")
    return email


def _subject(receipt: Receipt) -> str:
    if receipt.refund:
        return _("Test: your refund from {shop}") if receipt.is_test else _("Your refund from {shop}")
    return _("Test: your payment to {shop}") if receipt.is_test else _("Your payment to {shop}")


def _rows(receipt: Receipt, formats: str) -> list[tuple[str, str]]:
    """Return the labels and values of the receipt's details beside the amount."""
    items = (f"{line['quantity']} {TIMES} {line['sku']}" for line in receipt.lines)
    card = ""
    if receipt.card_last4:
        scheme = receipt.card_brand or _("Card")
        card = _("{scheme} ending in {digits}").format(scheme=scheme, digits=receipt.card_last4)
    rows = (
        (_("Item"), receipt.description),
        (_("Contents"), ", ".join(items)),
        (_("Order number"), receipt.order_reference),
        (_("Card"), card),
        (_("Date"), localised_time(receipt.created_at, formats, receipt.minutes_behind_utc)),
        (_("Payment reference"), receipt.payment_reference),
        (_("Questions"), ", ".join(filter(None, (receipt.support_email, receipt.support_phone)))),
    )
    return [(name, value) for name, value in rows if value]
