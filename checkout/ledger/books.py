"""The ledger's books of one payment, for programs that do not read its tables."""

from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from checkout.ledger.models import LedgerEntry
from checkout.ledger.service import CAPTURED, IN_PROCESS
from messaging.compiled_queries import Compiled

OF_CAPTURES = ("captured", "capture_returned")
OF_CHARGE_BACKS = ("charged_back", "charge_back_reversed")


@dataclass(frozen=True, slots=True)
class Balances:
    """Sums in minor units. ``charged_back`` is less reversals, ``in_process`` requested but not captured."""

    captured: int = 0
    refunded: int = 0
    charged_back: int = 0
    in_process: int = 0


def balances_of(payment_reference: str) -> dict[str, Balances]:
    """Add up a payment's entries by currency, account, and the subject of the posting."""
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
            # Refunds, and refunds that came back.
            refunded -= entry.amount_minor
    return Balances(captured, refunded, charged_back, in_process)


_ENTRIES = Compiled(lambda reference: LedgerEntry.objects.filter(payment_reference=reference).order_by())


def made_of(postings: Collection[str]) -> set[str]:
    """Return those of the postings, by their names, that were made."""
    return set(LedgerEntry.objects.filter(posting__in=postings).order_by().values_list("posting", flat=True))
