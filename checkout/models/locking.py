"""Payments under lock, until the transaction ends."""

from checkout.models.payment import Attempt, Payment
from checkout.models.saga import Saga
from checkout.statements import Compiled

_BY_NUMBER = Compiled(lambda pk: Payment.objects.select_for_update(no_key=True).filter(pk=pk))
_BY_REFERENCE = Compiled(
    lambda reference: Payment.objects.select_for_update(no_key=True).filter(reference=reference)
)


def locked_payment(reference: str) -> Payment | None:
    """Return the payment with this reference; None when there is none."""
    return _BY_REFERENCE.first(reference)


def locked_payment_of(row: Saga | Attempt) -> Payment:
    """Return the payment that a saga or an attempt belongs to."""
    return _BY_NUMBER.get(row.payment_id)
