"""The ledger's figures for a payment or a period, for programs that do not read the ledger's tables."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Sum

from checkout.ledger.models import LedgerEntry
from checkout.ledger.service import CAPTURED, IN_PROCESS
from messaging.compiled_queries import Compiled

OF_CAPTURES = ("captured", "capture_returned")
OF_CHARGE_BACKS = ("charged_back", "charge_back_reversed")


@dataclass(frozen=True, slots=True)
class Balances:
    """Sums in minor units. ``charged_back`` is net of reversals.

    ``in_process`` is requested, not yet captured.
    """

    captured: int = 0
    refunded: int = 0
    charged_back: int = 0
    in_process: int = 0


def balances_of(payment_reference: str) -> dict[str, Balances]:
    """Return the sums of a payment's ledger entries by currency."""
    entries: defaultdict[str, list[LedgerEntry]] = defaultdict(list)
    for entry in _ENTRIES.all(payment_reference):
        entries[entry.currency].append(entry)
    return {currency: _added_up(of_currency) for currency, of_currency in entries.items()}


def _added_up(entries: Iterable[LedgerEntry]) -> Balances:
    captured = refunded = charged_back = in_process = 0
    for entry in entries:
        kind = entry.posting.partition(":")[0]
        if entry.account == IN_PROCESS:
            in_process += entry.amount_minor
        elif entry.account != CAPTURED:
            continue
        elif kind in OF_CAPTURES:
            captured += entry.amount_minor
        elif kind in OF_CHARGE_BACKS:
            charged_back -= entry.amount_minor
        else:
            # Refunds, and refunds that the issuer sent back.
            refunded -= entry.amount_minor
    return Balances(captured, refunded, charged_back, in_process)


_ENTRIES = Compiled(lambda reference: LedgerEntry.objects.filter(payment_reference=reference).order_by())


def made_of(postings: Collection[str]) -> set[str]:
    """Return those names in ``postings`` under which a posting was made."""
    return set(LedgerEntry.objects.filter(posting__in=postings).order_by().values_list("posting", flat=True))


@dataclass(frozen=True, slots=True)
class Movement:
    """A posting that changes the claim on the provider, and the operation to which the posting belongs."""

    posted_at: datetime
    payment: str
    operation: str
    kind: str
    currency: str
    minor: int


def movements(since: datetime, until: datetime) -> Iterator[Movement]:
    """Yield the movements of a period, oldest first. ``until`` itself is excluded."""
    entries = LedgerEntry.objects.filter(account=CAPTURED, posted_at__gte=since, posted_at__lt=until)
    for entry in entries.order_by("posted_at", "pk").iterator():
        kind, _, reference = entry.posting.partition(":")
        operation = reference.partition("/")[0]
        yield Movement(
            entry.posted_at, entry.payment_reference, operation, kind, entry.currency, entry.amount_minor
        )


def unbalanced_postings(since: datetime, until: datetime) -> list[str]:
    """Return the names of a period's postings that do not add up to zero, which PostgreSQL would refuse."""
    entries = LedgerEntry.objects.filter(posted_at__gte=since, posted_at__lt=until).order_by()
    sums = entries.values("posting", "currency").annotate(left=Sum("amount_minor")).exclude(left=0)
    return sorted({str(each["posting"]) for each in sums})
