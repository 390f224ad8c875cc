"""Erase the address of a payment's receipts."""

from django.db import transaction

from checkout.database.owners import database_of
from checkout.receipts.models import Receipt


def erase_address(payment: str) -> None:
    """Erase the shopper's address from all receipts of a payment.

    A refund's receipt copies the address from the payment's receipt, under the same lock. Therefore it is
    either erased as well, or finds no address to copy.
    """
    with transaction.atomic(using=database_of("receipts")):
        rows = Receipt.objects.filter(payment_reference=payment)
        # Locked by a separate statement, because an UPDATE that waits does not see rows added meanwhile.
        list(rows.filter(refund="").select_for_update(no_key=True).values_list("pk"))
        rows.update(email="")
