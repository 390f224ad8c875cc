"""Payments and attempts under lock, until the transaction ends: the payment before its attempt."""

from collections.abc import Callable
from typing import TypeVar

from django.db.models import QuerySet

from checkout.errors import PaymentNotFound
from checkout.payments.models.payment import Attempt, Merchant, Operation, Payment
from checkout.payments.models.saga import Saga
from messaging.compiled_queries import Compiled

T = TypeVar("T")

# An attribute of a payment's instance: rows that belong to the payment, by what they are.
_KNOWN = "_known_rows"


def _locked_with_merchant() -> QuerySet[Payment]:
    """Return all payments, each locked when it is read. Their events have the merchant's code."""
    return Payment.objects.select_for_update(of=("self",), no_key=True).select_related("merchant")


_BY_NUMBER = Compiled(lambda pk: _locked_with_merchant().filter(pk=pk))
_BY_REFERENCE = Compiled(lambda reference: _locked_with_merchant().filter(reference=reference))


def locked_payment(reference: str) -> Payment | None:
    """Return the payment with this reference; None when there is none."""
    return _BY_REFERENCE.first(reference)


def get_payment_for_update(reference: str, merchant: Merchant | None = None) -> Payment:
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


def read_once(payment: Payment, name: str, read: Callable[[int], T]) -> T:
    """Return what ``read`` returns for the payment's primary key, or what it returned for this instance.

    A locked payment is changed by its own transaction only, and its attempts and operations by the functions
    of ``events.changes``, which call ``invalidate_rows``. Every transaction reads an instance of its own.
    """
    known: dict[str, T] = vars(payment).setdefault(_KNOWN, {})
    if name not in known:
        known[name] = read(payment.pk)
    return known[name]


def invalidate_rows(payment: Payment) -> None:
    """Have the rows of a payment read again, since one of them is changed."""
    vars(payment).pop(_KNOWN, None)
