"""The ledger's books of one payment, for programs that do not read its tables."""

from collections.abc import Collection
from dataclasses import dataclass

from checkout.ledger.models import LedgerEntry
from checkout.ledger.service import CAPTURED, IN_PROCESS
from messaging.compiled_queries import Compiled

OF_CAPTURES = ("captured", "capture_returned")
OF_CHARGE_BACKS = ("charged_back", "charge_back_reversed")


@dataclass(frozen=True, slots=True)
class Balances:
    """Sums in minor units. ``charged_back`` is less reversals, ``in_process`` requested but not captured."""

    captured: int
    refunded: int
    charged_back: int
    in_process: int


def balances_of(payment_reference: str) -> Balances:
    """Add up a payment's entries, by account and by the subject of the posting."""
    captured = refunded = charged_back = in_process = 0
    for entry in _ENTRIES.all(payment_reference):
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
