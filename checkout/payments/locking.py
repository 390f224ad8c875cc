"""Locks on payments and attempts until the end of the transaction. A payment is locked before its attempt."""

from collections.abc import Callable
from typing import TypeVar

from django.db.models import QuerySet

from checkout.errors import PaymentNotFound
from checkout.payments.models.payment import Attempt, Merchant, Operation, Payment
from checkout.payments.models.saga import Saga
from messaging.compiled_queries import Compiled
from messaging.logs import work

T = TypeVar("T")

# An attribute of a payment's instance: cached rows that belong to the payment, by name.
_KNOWN = "_known_rows"


def _locked_with_merchant() -> QuerySet[Payment]:
    """Return a query for payments that locks each row, with its merchant, whose code events need."""
    return Payment.objects.select_for_update(of=("self",), no_key=True).select_related("merchant")


_BY_NUMBER = Compiled(lambda pk: _locked_with_merchant().filter(pk=pk))
_BY_REFERENCE = Compiled(lambda reference: _locked_with_merchant().filter(reference=reference))


def locked_payment(reference: str) -> Payment | None:
    """Return the locked payment with this reference, or None."""
    payment = _BY_REFERENCE.first(reference)
    return None if payment is None else _noted(payment)


def get_payment_for_update(reference: str, merchant: Merchant | None = None) -> Payment:
    """Return the locked payment with this reference. Raises ``PaymentNotFound``.

    If ``merchant`` is given, payments of other merchants are not found.
    """
    payment = locked_payment(reference)
    if payment is None or (merchant is not None and payment.merchant_id != merchant.pk):
        raise PaymentNotFound("There is no such payment.")
    return payment


def locked_payment_of(row: Saga | Attempt | Operation) -> Payment:
    """Return the locked payment to which a saga, an attempt or an operation belongs."""
    return _noted(_BY_NUMBER.get(row.payment_id))


def _noted(payment: Payment) -> Payment:
    """Return the payment, after setting it as the subject of this work's log lines."""
    work.note(payment=payment.reference, merchant=payment.merchant.code)
    return payment


def locked_attempt(pk: int) -> Attempt:
    """Return the locked attempt with this primary key. The lock also protects its operations."""
    return Attempt.objects.select_for_update(no_key=True).get(pk=pk)


def locked_attempt_of(row: Saga | Operation) -> Attempt:
    """Return the locked attempt of a saga or an operation. The lock also protects its operations."""
    return locked_attempt(row.attempt_id)


def read_once(payment: Payment, name: str, read: Callable[[int], T]) -> T:
    """Return the result of ``read`` for the payment's primary key, cached on this instance.

    Only this transaction changes a locked payment. Attempts and operations are changed by the functions of
    ``events.changes``, which call ``invalidate_rows``. Every transaction reads an instance of its own.
    """
    known: dict[str, T] = vars(payment).setdefault(_KNOWN, {})
    if name not in known:
        known[name] = read(payment.pk)
    return known[name]


def invalidate_rows(payment: Payment) -> None:
    """Clear the cached rows of a payment, because one of them has changed."""
    vars(payment).pop(_KNOWN, None)
