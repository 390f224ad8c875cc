"""The payment that a caller names, locked, if it is the caller's."""

from checkout.errors import PaymentNotFound
from checkout.payments.locking import locked_payment
from checkout.payments.models import Merchant, Payment


def found_payment(reference: str, merchant: Merchant | None = None) -> Payment:
    """Return the locked payment; raises ``PaymentNotFound``, also for the payment of another merchant.

    Without ``merchant`` the caller is one of us, and may see all payments.
    """
    payment = locked_payment(reference)
    if payment is None or (merchant is not None and payment.merchant_id != merchant.pk):
        raise PaymentNotFound("There is no such payment.")
    return payment
