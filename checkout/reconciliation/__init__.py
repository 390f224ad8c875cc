"""Compare our books with the providers', to the minor unit, and report every difference.

Per attempt, the sums authorised, captured, refunded and charged back by our operations are compared; per
payment, those captured, refunded, charged back and in process by our ledger; and the orders that only the
provider has. While an operation waits for its outcome, the sum that it may change is compared within bounds.
A payment that is just moving is left for a later run, and so is a sum that the provider may show late.
Nothing is corrected: a difference is for people.
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

    Payments that changed after ``since`` are compared; without it, those that changed since the last run.
    Payments with open differences are always compared. The next run without ``since`` continues from the
    end of this one only if this one began no later than where the runs before it had ended.
    """
    return _run(account, _begun(account, server_time_now()), since, lambda: False)


def reconcile_when_due(should_stop: Callable[[], bool] = lambda: False) -> list[Difference]:
    """Compare the accounts whose last run began longer ago than ``conf.reconciliation_interval``.

    Any number of processes may call this at any time: only one of them compares. ``should_stop`` is called
    between two payments; the rest is left to the next run.
    """
    return [
        difference
        for account in ProviderAccount.objects.order_by("pk")
        if not should_stop() and (run := _claim(account)) is not None
        for difference in _run(account, run, None, should_stop)[1]
    ]


@transaction.atomic
def _claim(account: ProviderAccount) -> Reconciliation | None:
    """Begin a run, unless another process has begun one recently."""
    ProviderAccount.objects.select_for_update(of=("self",)).get(pk=account.pk)
    now = server_time_now()
    recent = now - conf.reconciliation_interval
    if Reconciliation.objects.filter(account=account, started_at__gt=recent).exists():
        return None
    return _begun(account, now)


def _begun(account: ProviderAccount, now: datetime) -> Reconciliation:
    """Return a run that begins now, by the database's clock.

    A process whose clock is ahead would compare what has just happened, and what the provider's queries do
    not show yet.
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
    # An order that was found before is listed again when --since asks for it.
    seen = list({difference.pk: difference for difference in seen}.values())
    run.differing = len(seen)
    run.finished_at = server_time_now()
    run.save()
    return run, seen
