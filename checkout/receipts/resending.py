"""Send a receipt again, because the shopper has lost it or a mail server was away for too long."""

from django.db import transaction
from django.db.models import F

from checkout.database.owners import database_of
from checkout.errors import OperationRejected
from checkout.receipts.models import Receipt
from messaging.outbox.clock import server_time


def send_again(receipt: Receipt) -> None:
    """Have the receipt sent once more, to the same address, within the pace of the service's timer.

    Raises ``OperationRejected`` if it is still owed, or if its address was erased.
    """
    database = database_of("receipts")
    with transaction.atomic(using=database):
        ready = Receipt.objects.filter(pk=receipt.pk, next_try_at=None).exclude(email="")
        changed = ready.update(
            next_try_at=server_time(database), sent_at=None, failures=0, resendings=F("resendings") + 1
        )
    if not changed:
        raise OperationRejected("The receipt is about to be sent, or its address was erased.")
