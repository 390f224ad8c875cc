"""A clock for tests of shops: the time of one payment is moved forward. Callers allow it in a try-out only.

The payment's times are moved into the past, so everything that is due within that time is due at once: the
expiry, the void of an authorisation, and the deadlines and inquiries of its sagas.
"""

from datetime import UTC, datetime, timedelta
from functools import reduce
from operator import or_
from typing import Any

from django.db import transaction
from django.db.models import DateTimeField, F, Q, QuerySet

from checkout.errors import IllegalTransition
from checkout.payments.locking import get_payment_for_update
from checkout.payments.models import Attempt, Merchant, Operation, Payment, ProviderCall, Saga
from checkout.payments.timers.abandoned import expire_abandoned
from checkout.payments.timers.authorisations import void_expired
from checkout.payments.timers.deadlines import enqueue_passed_deadlines

# Times before the year 1 can be stored, but not read.
EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)
# Lists find the rows of a period by their keys, which are in the order of these times.
UNMOVED = {(Payment, "created_at"), (Operation, "created_at")}


def advance_clock(reference: str, by: timedelta, *, merchant: Merchant) -> None:
    """Move the time of a payment forward, and do what has become due.

    Raises ``PaymentNotFound``, and ``IllegalTransition`` if a time would be before ``EARLIEST``.
    """
    with transaction.atomic():
        # Sagas are locked before their payment, as everywhere.
        found = Saga.objects.filter(payment__reference=reference, payment__merchant=merchant).order_by("pk")
        sagas = [saga.pk for saga in found.select_for_update(of=("self",))]
        payment = get_payment_for_update(reference, merchant)
        for rows in (
            Payment.objects.filter(pk=payment.pk),
            Attempt.objects.filter(payment=payment),
            Operation.objects.filter(payment=payment),
            ProviderCall.objects.filter(attempt__payment=payment),
            Saga.objects.filter(pk__in=sagas),
        ):
            _move_into_the_past(rows, by)
    # The timers would do this too, but some of them look only once a minute.
    enqueue_passed_deadlines()
    expire_abandoned()
    void_expired()


def _move_into_the_past(rows: QuerySet[Any], by: timedelta) -> None:
    fields = [field.name for field in rows.model._meta.fields if isinstance(field, DateTimeField)]
    times = [name for name in fields if (rows.model, name) not in UNMOVED]
    if rows.filter(reduce(or_, (Q(**{f"{name}__lt": EARLIEST + by}) for name in times))).exists():
        raise IllegalTransition(f"The payment's time cannot be moved to before {EARLIEST.year}.")
    rows.update(**{name: F(name) - by for name in times})
