"""Payments and attempts under lock, until the transaction ends: the payment before its attempt."""

from django.db.models import QuerySet

from checkout.errors import PaymentNotFound
from checkout.payments.models.payment import Attempt, Merchant, Operation, Payment
from checkout.payments.models.saga import Saga
from messaging.compiled_queries import Compiled


def _locked_with_merchant() -> QuerySet[Payment]:
    """Return all payments, each locked when it is read. Their events have the merchant's code."""
    return Payment.objects.select_for_update(of=("self",), no_key=True).select_related("merchant")


_BY_NUMBER = Compiled(lambda pk: _locked_with_merchant().filter(pk=pk))
_BY_REFERENCE = Compiled(lambda reference: _locked_with_merchant().filter(reference=reference))


def locked_payment(reference: str) -> Payment | None:
    """Return the payment with this reference; None when there is none."""
    return _BY_REFERENCE.first(reference)


def found_payment(reference: str, merchant: Merchant | None = None) -> Payment:
    """Return the payment that a caller names; raises ``PaymentNotFound``, also for another merchant's.

    Without ``merchant`` the caller is one of us, and may see all payments.
    """
    payment = locked_payment(reference)
    if payment is None or (merchant is not None and payment.merchant_id != merchant.pk):
        raise PaymentNotFound("There is no such payment.")
    return payment


def locked_payment_of(row: Saga | Attempt | Operation) -> Payment:
    """Return the payment that a saga, an attempt or an operation belongs to."""
    return _BY_NUMBER.get(row.payment_id)


def locked_attempt(pk: int) -> Attempt:
    """Return the attempt with this primary key. Its lock is also that of its operations."""
    return Attempt.objects.select_for_update(no_key=True).get(pk=pk)


def locked_attempt_of(row: Saga | Operation) -> Attempt:
    """Return the attempt that a saga or an operation belongs to. Its lock is also that of its operations."""
    return locked_attempt(row.attempt_id)
