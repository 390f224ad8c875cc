"""Compare our books with the providers', to the minor unit, and report every difference.

For each attempt, the sums authorised, captured, refunded and charged back by our operations are compared. For
each payment, the ledger's sums are compared: captured, refunded, charged back and in process. Orders that
only the provider has are differences, too. While an operation waits for its outcome, the sum that it may
change is compared within bounds. A payment that is changing is left for a later run, and so is a sum that the
provider may show late. Nothing is corrected, because staff decide about differences.
"""

from collections.abc import Callable
from datetime import datetime

from django.db import transaction
from django.db.models import Max

from checkout.conf import conf
from checkout.payments.models import Difference, ProviderAccount, Reconciliation
from checkout.reconciliation.payments import compare_payments
from checkout.reconciliation.schedule import period_of, time_to_compare, time_to_list
from checkout.reconciliation.unknown_orders import find_unknown_orders
from messaging.outbox.clock import server_time_now

__all__ = ["reconcile_account", "reconcile_when_due"]


def reconcile_account(
    account: ProviderAccount, since: datetime | None = None
) -> tuple[Reconciliation, list[Difference]]:
    """Compare one account. Return the run with its counts, and the differences that were found.

    Payments that changed after ``since`` are compared or, without it, those that changed since the last run.
    Payments with open differences are always compared. The next run continues from the end of this one,
    unless ``since`` leaves a gap after the earlier runs.
    """
    return _run(account, _begun(account, server_time_now()), since, lambda: False)


def reconcile_when_due(should_stop: Callable[[], bool] = lambda: False) -> list[Difference]:
    """Compare the accounts whose last run began longer ago than ``conf.reconciliation_interval``.

    Any number of processes may call this function at any time. Only one of them compares an account.
    ``should_stop`` is called between two payments. If it returns True, the other payments are left to the
    next run.
    """
    return [
        difference
        for account in ProviderAccount.objects.order_by("pk")
        if not should_stop() and (run := _claim(account)) is not None
        for difference in _run(account, run, None, should_stop)[1]
    ]


@transaction.atomic
def _claim(account: ProviderAccount) -> Reconciliation | None:
    """Begin a run and return it; None if another process has begun one recently."""
    ProviderAccount.objects.select_for_update(of=("self",)).get(pk=account.pk)
    now = server_time_now()
    recent = now - conf.reconciliation_interval
    if Reconciliation.objects.filter(account=account, started_at__gt=recent).exists():
        return None
    return _begun(account, now)


def _begun(account: ProviderAccount, now: datetime) -> Reconciliation:
    """Return a new run that begins now, by the database's clock.

    With a fast clock, a run would compare very recent changes, which the provider's queries do not show yet.
    """
    return Reconciliation.objects.create(account=account, started_at=now)


def _run(
    account: ProviderAccount,
    run: Reconciliation,
    since: datetime | None,
    should_stop: Callable[[], bool],
) -> tuple[Reconciliation, list[Difference]]:
    so_far = Reconciliation.objects.filter(account=account).aggregate(
        compared=Max("compared_until"), listed=Max("listed_until")
    )
    changes = period_of(since, so_far["compared"], run.started_at - time_to_compare())
    orders = period_of(since, so_far["listed"], run.started_at - time_to_list())
    seen = compare_payments(account, run, changes, should_stop)
    run.save()
    seen += find_unknown_orders(account, run, orders, should_stop)
    # With --since, an order can be both an earlier finding and listed again.
    seen = list({difference.pk: difference for difference in seen}.values())
    run.differing = len(seen)
    run.finished_at = server_time_now()
    run.save()
    return run, seen
