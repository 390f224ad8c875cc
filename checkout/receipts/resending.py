"""Send a receipt again, because the shopper has lost it, or a mail server was unavailable for too long."""

from django.db import transaction
from django.db.models import F

from checkout.database.owners import database_of
from checkout.errors import IllegalTransition, OperationRejected
from checkout.receipts.models import Receipt
from messaging.outbox.clock import server_time

# A program with a bug must not flood a shopper's mailbox. Staff may send more.
MOST_FOR_PROGRAMS = 5


def send_again_for(payment: str) -> Receipt:
    """Let the receipt of a payment be sent again for a merchant's program. Return the receipt.

    Raises ``IllegalTransition`` if there is no receipt, if it is still to be sent, if its address was erased,
    or if it was sent again too often.
    """
    receipt = Receipt.objects.filter(payment_reference=payment, refund="").first()
    if receipt is None:
        raise IllegalTransition("The payment has no receipt: it is not paid, or names no customer_email.")
    if receipt.resendings >= MOST_FOR_PROGRAMS:
        raise IllegalTransition(f"The receipt was sent again {receipt.resendings} times. Ask staff for more.")
    try:
        send_again(receipt)
    except OperationRejected as error:
        raise IllegalTransition(str(error)) from None
    receipt.refresh_from_db()
    return receipt


def send_again(receipt: Receipt) -> None:
    """Let the receipt be sent again to the same address. The service's timer sends it soon.

    Raises ``OperationRejected`` if the receipt is still to be sent, or if its address was erased.
    """
    database = database_of("receipts")
    with transaction.atomic(using=database):
        ready = Receipt.objects.filter(pk=receipt.pk, next_try_at=None).exclude(email="")
        changed = ready.update(
            next_try_at=server_time(database), sent_at=None, failures=0, resendings=F("resendings") + 1
        )
    if not changed:
        raise OperationRejected("The receipt is about to be sent, or its address was erased.")
