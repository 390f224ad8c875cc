"""Look for orders that only the provider has. Some providers do not list their orders."""

from collections.abc import Callable
from datetime import datetime, timedelta

from checkout.payments.books.compare_sums import compare_unknown_order
from checkout.payments.models import Attempt, Difference, ProviderAccount, Reconciliation
from checkout.payments.models.reconciliation import OPEN_DIFFERENCE
from checkout.reconciliation.differences import record
from checkout.reconciliation.provider_books import (
    CircuitBreaker,
    NotAskable,
    NotUnderstood,
    Unanswered,
    told,
    unknown_orders,
)
from checkout.reconciliation.schedule import Period

CLOCK_SKEW = timedelta(minutes=1)


def find_unknown_orders(
    account: ProviderAccount,
    run: Reconciliation,
    period: Period,
    should_stop: Callable[[], bool],
) -> list[Difference]:
    """Find unknown orders submitted in ``period``, and compare earlier findings. Return the differences.

    ``run`` gets the time until which orders were listed: at most ``period.until``, because an order may be
    listed late. The run is saved after each window.
    """
    seen: list[Difference] = []
    earlier = _earlier_findings(account)
    try:
        begin = period.since or _beginning(account, period.until)
        for end, orders in unknown_orders(account, begin, run.started_at + CLOCK_SKEW):
            seen += record(account, None, [compare_unknown_order(order) for order in orders])
            run.listed_until = period.mark(end)
            run.save()
            if should_stop():
                break
    except Unanswered:
        run.unanswered += 1
    return seen + _compare_again(account, run, earlier, should_stop)


def _earlier_findings(account: ProviderAccount) -> list[str]:
    found = Difference.objects.filter(OPEN_DIFFERENCE, account=account, kind=Difference.Kind.ORDER)
    return list(found.order_by("last_seen_at").values_list("order_code", flat=True))


def _compare_again(
    account: ProviderAccount, run: Reconciliation, codes: list[str], should_stop: Callable[[], bool]
) -> list[Difference]:
    """Compare earlier findings again: money may have been returned, or we may know the order by now.

    A finding without an answer stays open. So does one that cannot be asked about, until it is listed without
    money (``--since``) or staff deal with it.
    """
    known = set(Attempt.objects.filter(order_code__in=codes).values_list("order_code", flat=True))
    seen: list[Difference] = []
    breaker = CircuitBreaker(account, others=codes)
    for code in codes:
        if should_stop() or breaker.is_exhausted:
            break
        try:
            order = told(account, code)
            breaker.answered(code)
        except NotAskable:
            continue
        except NotUnderstood:
            run.unanswered += 1
            breaker.not_understood(code)
        except Unanswered:
            run.unanswered += 1
            breaker.unanswered(code)
        else:
            seen += record(account, None, [compare_unknown_order(order, is_known=code in known)])
    return seen


def _beginning(account: ProviderAccount, until: datetime) -> datetime:
    first = Attempt.objects.filter(provider_account=account).order_by("created_at").first()
    return min(first.created_at if first else until, until) - timedelta(days=1)
