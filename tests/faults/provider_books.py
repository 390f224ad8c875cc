"""The provider's books of every order: sums, single entries, and which faults and traits it has."""

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import requests

PAGE = 2_000
SUMS = (
    "authorisations",
    "authorised",
    "cancelled",
    "capture_requested",
    "captured",
    "refund_requested",
    "refunded",
    "refund_denied",
    "charged_back",
)


@dataclass(frozen=True, slots=True)
class Entry:
    """`at` is in seconds since the epoch; `reference` is that of our capture or refund, if there is one."""

    at: float
    kind: str
    minor: int
    reference: str


@dataclass(frozen=True, slots=True)
class Order:
    """The provider's sums of one order, in minor units. `faults` struck it on purpose.

    `refund_denied` is what the provider called failed and refunded later nevertheless; `charged_back` is what
    issuers took, less what they returned.
    """

    code: str
    authorisations: int = 0
    authorised: int = 0
    cancelled: int = 0
    capture_requested: int = 0
    captured: int = 0
    refund_requested: int = 0
    refunded: int = 0
    refund_denied: int = 0
    charged_back: int = 0
    faults: frozenset[str] = frozenset()
    traits: frozenset[str] = frozenset()
    entries: tuple[Entry, ...] = ()

    @property
    def is_untold(self) -> bool:
        """Return True if a refund was made after all and no notification says so: only reconciliation can."""
        return bool(self.refund_denied) and "refunded_unselected" in self.traits

    def taken(self) -> Counter[tuple[str, str]]:
        """Count each operation of ours that was taken, by kind and reference, less refunds that failed."""
        counts: Counter[tuple[str, str]] = Counter()
        for entry in self.entries:
            kind = entry.kind.removesuffix("_requested")
            if kind != entry.kind:
                counts[kind, entry.reference] += 1
        failed = Counter(entry.reference for entry in self.entries if entry.kind == "refund_failed")
        made = Counter(entry.reference for entry in self.entries if entry.kind == "refunded")
        for reference in failed:
            taken = counts["refund", reference]
            # One of which the provider takes its failure back was made once, and has not failed.
            counts["refund", reference] = max(made[reference], taken - failed[reference])
        return counts

    def booked_at(self, kind: str, reference: str) -> float | None:
        """Return when this kind, such as `captured`, of this reference was first booked; None if never."""
        moments = [each.at for each in self.entries if each.kind == kind and each.reference == reference]
        return min(moments, default=None)


def order_of(row: dict[str, Any], faults: frozenset[str] = frozenset()) -> Order:
    """The order that a row of the sandbox's books tells of; from a brief row without its entries."""
    return Order(
        code=row["order_code"],
        faults=faults,
        traits=frozenset(row.get("traits", ())),
        entries=tuple(
            Entry(at=each["at"], kind=each["kind"], minor=each["amount"], reference=each["reference"])
            for each in row.get("events", ())
        ),
        **{name: row[name] for name in SUMS},
    )


def read_orders(sandbox_url: str, **query: str) -> Iterator[Order]:
    """Every order in the books, or those that the query chooses."""
    after: int | None = 0
    while after is not None:
        parameters = {**query, "after": str(after), "limit": str(PAGE)}
        page = requests.get(f"{sandbox_url}/books.json", params=parameters, timeout=60).json()
        faults: dict[str, set[str]] = defaultdict(set)
        for incident in page["incidents"]:
            faults[incident["order_code"]].add(incident["fault"])
        for row in page["orders"]:
            yield order_of(row, frozenset(faults[row["order_code"]]))
        after = page["next"]
