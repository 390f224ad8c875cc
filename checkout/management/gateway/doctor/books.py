"""Check that reconciliation is up to date, and that providers answer for all orders."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from django.db.models import Max, Min
from django.template.defaultfilters import pluralize
from django.utils import timezone

from checkout.backoffice.display.values import quantity_text
from checkout.conf import conf
from checkout.management.gateway.output import Finding
from checkout.payments.models import (
    Attempt,
    Difference,
    PostponedComparison,
    ProviderAccount,
    Reconciliation,
)
from checkout.payments.models.reconciliation import OPEN_DIFFERENCE
from checkout.reconciliation.schedule import time_to_compare, time_to_list

MARGIN = timedelta(seconds=30)
START_RELAY = "Start manage.py run_relay, or see its log."
SEE_THE_LOG = (
    "See the log of the relay: the provider did not answer, or gave answers that we do not understand. If "
    "its address and credentials are right, ask the provider. The next run goes on from there by itself."
)
ASK_THE_PROVIDER = (
    "The differences in the back office name the orders (kind: unanswered). Look them up at the provider, "
    "and ask the provider why inquiries about them are not answered. If its answers are right, it is the "
    "gateway that does not understand them: report the lines about them in the log."
)

SETTLE_OR_UNLOCK = (
    "Settle their differences in the back office. If the provider does not tell their sums, compare them in "
    "its portal, and run manage.py gateway after-restore --unlock."
)


def findings() -> Iterator[Finding]:
    """Yield the findings."""
    now = timezone.now()
    late = now - 2 * conf.reconciliation_interval - MARGIN
    yield _runs(late)
    yield _marks(late)
    yield _unanswered(late)
    yield _locked(late)


def _runs(late: datetime) -> Finding:
    names = []
    for account in ProviderAccount.objects.order_by("code"):
        last = Reconciliation.objects.filter(account=account).order_by("-started_at").first()
        if last is not None and last.started_at < late:
            names.append(f"{account.code} since {_time(last.started_at)}")
        elif last is None and _has_old_attempts(account, late):
            names.append(f"{account.code} never")
    if names:
        return Finding("timers", f"the books were not compared: {', '.join(names)}", START_RELAY)
    return Finding("timers", "comparison of the books: none is late")


def _has_old_attempts(account: ProviderAccount, late: datetime) -> bool:
    return Attempt.objects.filter(provider_account=account, created_at__lt=late).exists()


def _marks(late: datetime) -> Finding:
    """Return the finding about accounts whose runs do not finish.

    The marks of finished runs are newer than ``late``.
    """
    names, compared_late, listed_late = [], late - time_to_compare(), late - time_to_list()
    for account in ProviderAccount.objects.order_by("code"):
        runs = Reconciliation.objects.filter(account=account).aggregate(
            began=Min("started_at"), compared=Max("compared_until"), listed=Max("listed_until")
        )
        if runs["began"] is None or runs["began"] >= compared_late:
            continue
        if runs["compared"] is None:
            names.append(f"{account.code} payments never")
        elif runs["compared"] < compared_late:
            names.append(f"{account.code} payments until {_time(runs['compared'])}")
        # A provider that does not list its orders has no mark here.
        if runs["listed"] is not None and runs["listed"] < listed_late:
            names.append(f"{account.code} orders until {_time(runs['listed'])}")
    if names:
        return Finding("books", f"the books were compared only up to a time: {', '.join(names)}", SEE_THE_LOG)
    return Finding("books", "all changes were compared")


def _unanswered(late: datetime) -> Finding:
    """Return the finding about orders for which the provider has not answered several runs."""
    rows = Difference.objects.filter(OPEN_DIFFERENCE, kind=Difference.Kind.UNANSWERED, found_at__lt=late)
    first = rows.order_by("found_at").first()
    if first is None:
        return Finding("books", "the providers answer for each order")
    count, since = rows.count(), _time(first.found_at)
    are = pluralize(count, "is not told by its,are not told by their")
    text = f"{quantity_text(count, 'order')} {are} provider, the first since {since}"
    return Finding("books", text, ASK_THE_PROVIDER)


def _locked(late: datetime) -> Finding:
    """Return the finding about payments that a restore has locked, and that no later run could unlock."""
    locked = PostponedComparison.objects.filter(is_lock=True, postponed_at__lt=late)
    count = locked.order_by().values("payment").distinct().count()
    if not count:
        return Finding("books", "no payment is locked since a restore")
    text = f"{quantity_text(count, 'payment')} {pluralize(count, 'is,are')} locked since a restore"
    return Finding("books", text, SETTLE_OR_UNLOCK)


def _time(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S}"
