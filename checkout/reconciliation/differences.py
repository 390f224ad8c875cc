"""The life of differences: opened when first found, updated when found again, resolved when the books agree.

When staff settle the payment, its differences are resolved, too (``sagas/settlement/payment.py``).
"""

from collections.abc import Sequence

import structlog
from django.db import transaction
from django.utils import timezone

from checkout.payments.books.compare_sums import Compared, Untold
from checkout.payments.models import Difference, Fact, ProviderAccount
from checkout.payments.models.reconciliation import UNKNOWN_CURRENCY
from checkout.states import Actor
from messaging.compiled_queries import Compiled

log = structlog.get_logger(__name__)


def record(
    account: ProviderAccount,
    payment_pk: int | None,
    compared: Sequence[Compared],
    untold: Sequence[Untold] = (),
) -> list[Difference]:
    """Record the result of a comparison. Return the sums that differ, except those that staff dealt with.

    Unanswered orders are recorded in the same way, but not returned. An open difference of an ``untold`` sum
    is resolved if our sum now equals the one that the provider told last or, if the provider told a
    charge-back without its amount, if we have booked a charge-back.
    """
    orders = {found.order_code for found in compared}
    open_before = {
        (difference.order_code, difference.kind): difference
        for order_code in orders
        for difference in _OPEN.all(account.pk, order_code)
    }
    seen = []
    for found in compared:
        if not found.agrees:
            difference = _see(account, payment_pk, found)
            if difference.dealt_with_at is None and found.kind != Difference.Kind.UNANSWERED:
                seen.append(difference)
        elif (found.order_code, found.kind) in open_before:
            _resolve(account, found)
    for mine in untold:
        before = open_before.get((mine.order_code, mine.kind))
        if before is not None and _has_become(mine, before):
            _resolve(account, mine)
    return seen


def _has_become(mine: Untold, before: Difference) -> bool:
    if before.currency == UNKNOWN_CURRENCY:
        return mine.ours.least > 0
    return mine.ours.nearest(before.theirs_minor) == before.theirs_minor


_OPEN = Compiled(
    lambda account, order_code: Difference.objects.filter(
        account_id=account, order_code=order_code, resolved_at__isnull=True
    ).order_by()
)


def _resolve(account: ProviderAccount, found: Compared | Untold) -> None:
    Difference.objects.filter(
        account=account, order_code=found.order_code, kind=found.kind, resolved_at__isnull=True
    ).update(resolved_at=timezone.now())
    log.info("books agree again", account=account.code, order=found.order_code, kind=found.kind)


@transaction.atomic
def _see(account: ProviderAccount, payment_pk: int | None, found: Compared) -> Difference:
    now = timezone.now()
    sums = {"ours_minor": found.ours, "theirs_minor": found.theirs, "currency": found.currency}
    difference, is_new = Difference.objects.update_or_create(
        account=account,
        order_code=found.order_code,
        kind=found.kind,
        resolved_at=None,
        defaults={"last_seen_at": now},
        create_defaults={**sums, "payment_id": payment_pk, "found_at": now, "last_seen_at": now},
    )
    is_another = any(getattr(difference, name) != value for name, value in sums.items())
    waits_again = is_another and difference.dealt_with_at is not None
    if is_another:
        mark = {"dealt_with_at": None, "dealt_with_by": "", "dealt_with_note": ""}
        for name, value in {**sums, **mark}.items():
            setattr(difference, name, value)
        difference.save(update_fields=[*sums, *mark])
    if is_new and found.kind == Difference.Kind.UNANSWERED:
        log.warning("books of an order not told", account=account.code, order=found.order_code)
    elif is_new or waits_again:
        told = {
            "order": found.order_code,
            "kind": found.kind.value,
            "currency": found.currency,
            "ours": found.ours,
            "theirs": found.theirs,
        }
        log.warning("books differ", account=account.code, **told)
        if payment_pk is not None:
            Fact.objects.create(payment_id=payment_pk, source=Actor.CLOCK, kind="books_differ", data=told)
    return difference
