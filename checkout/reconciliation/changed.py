"""Payments that may differ from the provider's books: those that changed, and those left by earlier runs."""

from collections.abc import Iterator
from datetime import datetime

from django.db.models import F, Q

from checkout.payments.models import Difference, Payment, ProviderAccount, Saga
from checkout.payments.models.reconciliation import OPEN_DIFFERENCE

BATCH = 2_000


def changed_payments(account: ProviderAccount, since: datetime | None) -> Iterator[tuple[datetime, int]]:
    """Yield the time at which each payment of the account changed, oldest first, and its primary key.

    A payment also changes when one of its sagas does: parking a saga does not change the payment's row.
    """
    done: set[int] = set()
    size, is_last = BATCH, False
    while not is_last:
        batch = _batch(account, since, size)
        for changed_at, pk in batch:
            if pk not in done:
                done.add(pk)
                yield changed_at, pk
        is_last = len(batch) < size
        if not is_last:
            # The next batch begins with the same moment. If this one had no other, it must be larger.
            size = 2 * size if batch[-1][0] == since else BATCH
            since = batch[-1][0]


def differing_payments(account: ProviderAccount, *kinds: Difference.Kind) -> set[int]:
    """Return the payments of which differences wait for staff, of these kinds or of any if none is named."""
    found = Difference.objects.filter(OPEN_DIFFERENCE, account=account, payment__isnull=False)
    if kinds:
        found = found.filter(kind__in=kinds)
    return set(found.order_by().values_list("payment_id", flat=True).distinct())


def _batch(account: ProviderAccount, since: datetime | None, size: int) -> list[tuple[datetime, int]]:
    """Return the oldest changes from ``since`` on, including that moment, which several may share."""
    is_due = Q(updated_at__gte=since) if since else Q()
    payments = Payment.objects.filter(is_due, attempts__provider_account=account)
    sagas = Saga.objects.filter(is_due, attempt__provider_account=account)
    changes = [
        *payments.order_by("updated_at").values_list("updated_at", "pk").distinct()[:size],
        *sagas.order_by("updated_at").values_list("updated_at", F("payment_id"))[:size],
    ]
    return sorted(changes)[:size]
