"""Erase the address of a payment's receipts."""

from django.db import transaction

from checkout.database.owners import database_of
from checkout.receipts.models import Receipt


def erase_address(payment: str) -> None:
    """Erase the shopper's address from all receipts of a payment.

    The receipt of a refund takes the address from that of the payment, under the lock that is taken here
    first. It is therefore among the erased ones, or finds no address.
    """
    with transaction.atomic(using=database_of("receipts")):
        rows = Receipt.objects.filter(payment_reference=payment)
        # Locked by a statement of its own: an UPDATE that waits does not see the rows added meanwhile.
        list(rows.filter(refund="").select_for_update(no_key=True).values_list("pk"))
        rows.update(email="")
