"""Differences over time: opened when first seen, touched when seen again, resolved when the books agree."""

from collections.abc import Iterable

import structlog
from django.db import transaction
from django.utils import timezone

from checkout.models import Difference, Fact, Payment, ProviderAccount
from checkout.reconciliation.comparison import Compared
from checkout.states import Actor

log = structlog.get_logger(__name__)


@transaction.atomic
def record(
    account: ProviderAccount, payment: Payment | None, compared: Iterable[Compared]
) -> list[Difference]:
    """Write down what came of a comparison; returns the differences that there are."""
    seen = []
    for found in compared:
        if found.agrees:
            _resolve(account, found)
        else:
            seen.append(_see(account, payment, found))
    return seen


def _resolve(account: ProviderAccount, found: Compared) -> None:
    open_before = Difference.objects.filter(
        account=account, order_code=found.order_code, kind=found.kind, resolved_at__isnull=True
    )
    if open_before.update(resolved_at=timezone.now()):
        log.info("books agree again", account=account.code, order=found.order_code, kind=found.kind)


def _see(account: ProviderAccount, payment: Payment | None, found: Compared) -> Difference:
    now = timezone.now()
    sums = {"ours_minor": found.ours, "theirs_minor": found.theirs, "last_seen_at": now}
    difference, is_new = Difference.objects.update_or_create(
        account=account,
        order_code=found.order_code,
        kind=found.kind,
        resolved_at=None,
        defaults=sums,
        create_defaults={**sums, "payment": payment, "currency": found.currency, "found_at": now},
    )
    if is_new:
        told = {
            "order": found.order_code,
            "kind": found.kind.value,
            "currency": found.currency,
            "ours": found.ours,
            "theirs": found.theirs,
        }
        log.warning("books differ", account=account.code, **told)
        if payment is not None:
            Fact.objects.create(payment=payment, source=Actor.CLOCK, kind="books_differ", data=told)
    return difference
