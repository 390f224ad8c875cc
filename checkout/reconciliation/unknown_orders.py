"""Look for orders that only the provider knows, if it is a provider that lists its orders."""

from collections.abc import Callable
from datetime import datetime, timedelta

from checkout.payments.models import Attempt, Difference, ProviderAccount, Reconciliation
from checkout.reconciliation.comparison import UNKNOWN_CURRENCY, compare_unknown_order
from checkout.reconciliation.differences import record
from checkout.reconciliation.provider_books import Unanswered, told, unknown_orders
from checkout.reconciliation.span import Span

CLOCK_SKEW = timedelta(minutes=1)


def find_unknown_orders(
    account: ProviderAccount,
    run: Reconciliation,
    span: Span,
    should_stop: Callable[[], bool],
) -> list[Difference]:
    """Go through the orders submitted in ``span``, and those found before. Return the differences.

    ``run`` gets the time until which orders were listed: at most ``span.until``, as one may be listed late.
    """
    seen: list[Difference] = []
    try:
        seen += _found_before(account)
        begin = span.since or _beginning(account, span.until)
        for end, orders in unknown_orders(account, begin, run.started_at + CLOCK_SKEW):
            seen += record(account, None, [compare_unknown_order(order) for order in orders])
            run.listed_until = span.mark(end)
            if should_stop():
                break
    except Unanswered:
        run.unanswered += 1
    return seen


def _found_before(account: ProviderAccount) -> list[Difference]:
    """Compare earlier findings again: their money may have gone back, or we may know the orders by now."""
    found = Difference.objects.filter(account=account, kind=Difference.Kind.ORDER, resolved_at__isnull=True)
    codes = list(found.values_list("order_code", flat=True))
    known = set(Attempt.objects.filter(order_code__in=codes).values_list("order_code", flat=True))
    asked = [told(account, code, UNKNOWN_CURRENCY) for code in codes]
    compared = [compare_unknown_order(order, is_known=order.order_code in known) for order in asked]
    return record(account, None, compared)


def _beginning(account: ProviderAccount, until: datetime) -> datetime:
    first = Attempt.objects.filter(provider_account=account).order_by("created_at").first()
    return min(first.created_at if first else until, until) - timedelta(days=1)
