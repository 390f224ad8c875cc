"""The provider's books of every order: sums, single entries, faults and traits."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
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
    """One booking. `at` is in seconds since the epoch; `reference` names our capture or refund, if any."""

    at: float
    kind: str
    minor: int
    reference: str


@dataclass(frozen=True, slots=True)
class Order:
    """The provider's sums of one order, in minor units, and the `faults` that the sandbox injected.

    `refund_denied` is the sum of refunds that were reported as failed and made later. `charged_back` is net
    of reversals.
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
        """Return True if a failed refund was made later, and no notification reported that."""
        return bool(self.refund_denied) and "refunded_unselected" in self.traits

    def has(self, kind: str) -> bool:
        """Return True if there is an entry of this kind, such as `expired`."""
        return any(entry.kind == kind for entry in self.entries)

    def taken(self) -> Counter[tuple[str, str]]:
        """Count how often each operation was accepted, by kind and reference, without failed refunds."""
        counts: Counter[tuple[str, str]] = Counter()
        for entry in self.entries:
            kind = entry.kind.removesuffix("_requested")
            if kind != entry.kind:
                counts[kind, entry.reference] += 1
        failed = Counter(entry.reference for entry in self.entries if entry.kind == "refund_failed")
        made = Counter(entry.reference for entry in self.entries if entry.kind == "refunded")
        for reference in failed:
            taken = counts["refund", reference]
            # A refund that was reported as failed but made later counts as made.
            counts["refund", reference] = max(made[reference], taken - failed[reference])
        return counts

    def booked_at(self, kind: str, reference: str) -> float | None:
        """Return the time of the first booking of this kind, such as `captured`; None if there is none."""
        moments = [each.at for each in self.entries if each.kind == kind and each.reference == reference]
        return min(moments, default=None)


def order_of(row: dict[str, Any], faults: frozenset[str] = frozenset(), included: str = "") -> Order:
    """Convert a row of the sandbox's books to an order. A brief row has no entries.

    `included` is our reference of the capture that the sandbox made with the authorisation; the sandbox has
    no reference for it.
    """
    return Order(
        code=row["order_code"],
        faults=faults,
        traits=frozenset(row.get("traits", ())),
        entries=tuple(
            Entry(
                at=each["at"],
                kind=each["kind"],
                minor=each["amount"],
                reference=each["reference"] or (included if each["kind"].startswith("capture") else ""),
            )
            for each in row.get("events", ())
        ),
        **{name: row[name] for name in SUMS},
    )


def read_orders(sandbox_url: str, included: Mapping[str, str], **query: str) -> Iterator[Order]:
    """Yield every order in the books, or those that the query selects.

    `included` has our references of captures that authorisations included, by order code.
    """
    after: int | None = 0
    while after is not None:
        parameters = {**query, "after": str(after), "limit": str(PAGE)}
        page = requests.get(f"{sandbox_url}/books.json", params=parameters, timeout=60).json()
        faults: dict[str, set[str]] = defaultdict(set)
        for incident in page["incidents"]:
            faults[incident["order_code"]].add(incident["fault"])
        for row in page["orders"]:
            code = row["order_code"]
            yield order_of(row, frozenset(faults[code]), included.get(code, ""))
        after = page["next"]
