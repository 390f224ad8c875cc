"""The totals of the ledger by day, so that the cost of balances does not grow with the postings.

A day is always counted from all of its entries, so counting it again does no harm. A posting that is
committed late is counted together with the next posting of its day.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from itertools import takewhile

from django.db.models import Count, QuerySet, Sum, Value
from django.db.models.functions import StrIndex, Substr

from checkout.ledger.models import DailyTotal, LedgerEntry
from checkout.ledger.service import ACCOUNTS, CAPTURED, IN_PROCESS, PAYABLE

_DAY = timedelta(days=1)
# The number of entries that are read at a time.
BATCH = 10_000
# The name under which the position in the entries is stored.
WALK = DailyTotal._meta.db_table


@dataclass(frozen=True, slots=True)
class Counted:
    """The number of counted days, the last entry that is not read again, and True if more entries wait."""

    days: int
    last_pk: int
    has_more: bool


def count_days_since(last_pk: int, settled_before: datetime) -> Counted:
    """Write the totals of all days on which the next entries after ``last_pk`` were posted.

    An entry that was posted since ``settled_before`` is read again next time, because entries with smaller
    keys may be committed after it.
    """
    news = LedgerEntry.objects.order_by("pk").filter(pk__gt=last_pk)
    entries = list(news.values_list("pk", "posted_at")[:BATCH])
    days = {at.astimezone(UTC).date() for _, at in entries}
    for day in sorted(days):
        _count(day)
    settled = [pk for pk, _ in takewhile(lambda entry: entry[1] < settled_before, entries)]
    return Counted(len(days), max(settled, default=last_pk), bool(settled) and len(entries) == BATCH)


def _count(day: date) -> None:
    """Write the totals of a day, from the debits.

    Totals are only overwritten, because entries are never deleted.
    """
    midnight = datetime.combine(day, time.min, UTC)
    entries = LedgerEntry.objects.order_by().filter(
        posted_at__gte=midnight, posted_at__lt=midnight + _DAY, amount_minor__gt=0
    )
    kind = Substr("posting", 1, StrIndex("posting", Value(":")) - 1)
    groups = entries.annotate(kind=kind).values("merchant_code", "currency", "kind")
    totals = groups.annotate(postings=Count("pk"), minor=Sum("amount_minor"))
    DailyTotal.objects.bulk_create(
        [DailyTotal(day=day, **each) for each in totals],
        update_conflicts=True,
        unique_fields=["day", "merchant_code", "currency", "kind"],
        update_fields=["postings", "minor"],
    )


def owed_minor(total: DailyTotal) -> int:
    """Return by how much the postings of a total change the claim on the provider, in minor units."""
    debit, credit = ACCOUNTS.get(total.kind, ("", ""))
    return total.minor * ((debit == CAPTURED) - (credit == CAPTURED))


@dataclass(frozen=True, slots=True)
class Balance:
    """The sums of one merchant and currency over some days, in minor units.

    ``captured``, ``refunded`` and ``disputed`` are net of returned money. Debits of accounts are positive.
    """

    merchant_code: str
    currency: str
    captured: int
    refunded: int
    disputed: int
    accounts: dict[str, int]

    @property
    def owed(self) -> int:
        """The claim on the provider: the captured money that was not given back, before fees and pay-outs."""
        return self.accounts[CAPTURED]

    @property
    def in_process(self) -> int:
        """The captures that were requested, but not made yet."""
        return self.accounts[IN_PROCESS]


def balances_by_merchant(totals: QuerySet[DailyTotal]) -> list[Balance]:
    """Return the balances of these totals by merchant and currency."""
    sums: dict[tuple[str, str], dict[str, int]] = {}
    groups = totals.order_by("merchant_code", "currency").values_list("merchant_code", "currency", "kind")
    for merchant_code, currency, kind, minor in groups.annotate(Sum("minor")):
        sums.setdefault((merchant_code, currency), dict.fromkeys(ACCOUNTS, 0))[kind] = minor
    return [_balance(*of, kinds) for of, kinds in sums.items()]


def _balance(merchant_code: str, currency: str, kinds: dict[str, int]) -> Balance:
    accounts = dict.fromkeys((CAPTURED, IN_PROCESS, PAYABLE), 0)
    for kind, (debit, credit) in ACCOUNTS.items():
        accounts[debit] += kinds[kind]
        accounts[credit] -= kinds[kind]
    return Balance(
        merchant_code,
        currency,
        captured=kinds["captured"] - kinds["capture_returned"],
        refunded=kinds["refunded"] - kinds["refund_returned"],
        disputed=kinds["charged_back"] - kinds["charge_back_reversed"],
        accounts=accounts,
    )


def balances_by_account(balances: Iterable[Balance]) -> list[tuple[str, str, int]]:
    """Return the account, currency and minor units (debits positive) of each balance, over all merchants."""
    sums: dict[tuple[str, str], int] = {}
    for balance in balances:
        for account, minor in balance.accounts.items():
            sums[account, balance.currency] = sums.get((account, balance.currency), 0) + minor
    return [(account, currency, minor) for (account, currency), minor in sorted(sums.items())]
