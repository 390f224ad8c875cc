"""The results of a campaign, as a table for people and as JSON for programs."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from tests.faults.invariants import INVARIANTS, Violation

SHOWN = 5


@dataclass
class Report:
    """The results. Times are in seconds. `faults` counts faults by F number, except deaths at crash points.

    `provider_faults` counts those of the sandbox by occasion and name, and `traits` the orders with each
    trait. `moving` tells what had not come to rest at the end. Staff sent `requeued` dead letters again,
    dealt with `copies` of handled messages that were erased with their payments, settled `settled` operations
    and payments, read `read` notifications and had `reviewed` payments reviewed. `in_portal` counts payments
    that somebody changed in the provider's portal, `with_saved_card` those whose shopper chose a saved card.
    `webhooks` counts what the merchant's endpoint did with webhooks, and `repeated` the requests to the API
    that were sent again after their final answer.
    """

    seed: int
    mutant: str = ""
    payments: int = 0
    duration: float = 0
    states: Counter[str] = field(default_factory=Counter)
    kinds: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    provider_faults: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    crash_points: Mapping[str, int] = field(default_factory=dict)
    crash_points_missed: Sequence[str] = ()
    calm: list[float] = field(default_factory=list)
    stormy: list[float] = field(default_factory=list)
    settled_after: float | None = None
    moving: Sequence[str] = ()
    looks: int = 0
    requeued: int = 0
    copies: int = 0
    settled: int = 0
    read: int = 0
    reviewed: int = 0
    in_portal: int = 0
    with_saved_card: int = 0
    webhooks: Counter[str] = field(default_factory=Counter)
    repeated: int = 0
    traits: Counter[str] = field(default_factory=Counter)
    responses: Counter[int] = field(default_factory=Counter)
    violations: list[Violation] = field(default_factory=list)
    timelines: dict[str, list[str]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    @property
    def fault_count(self) -> int:
        return sum(self.faults.values()) + sum(self.crash_points.values())

    def as_json(self) -> str:
        found = Counter(violation.invariant for violation in self.violations)
        document: dict[str, Any] = {
            "seed": self.seed,
            "mutant": self.mutant,
            "payments": self.payments,
            "duration_seconds": round(self.duration, 1),
            "states": self.states,
            "shoppers": self.kinds,
            "faults": self.faults,
            "faults_in_all": self.fault_count,
            "provider_faults": self.provider_faults,
            "crash_points": self.crash_points,
            "crash_points_missed": list(self.crash_points_missed),
            "seconds_to_the_end": {"calm": percentiles(self.calm), "stormy": percentiles(self.stormy)},
            "settled_seconds_after_the_last_fault": self.settled_after,
            "moving_still": self.moving,
            "looks_at_the_books_meanwhile": self.looks,
            "traits_of_orders": self.traits,
            "dead_letters_sent_again": self.requeued,
            "dead_letters_of_erased_payments": self.copies,
            "operations_settled_by_staff": self.settled,
            "unreadable_notifications": self.read,
            "payments_reviewed": self.reviewed,
            "payments_in_the_portal": self.in_portal,
            "payments_with_a_saved_card": self.with_saved_card,
            "webhooks": self.webhooks,
            "requests_repeated_after_their_answer": self.repeated,
            "responses": {str(status): count for status, count in sorted(self.responses.items())},
            "violations": {name: found[name] for name in INVARIANTS},
            "found": [
                {"invariant": each.invariant, "payment": each.payment, "text": each.text}
                for each in self.violations
            ],
            "timelines": self.timelines,
            "notes": self.notes,
        }
        return json.dumps(document, indent=1, ensure_ascii=False)

    def lines(self) -> Iterator[str]:
        yield f"seed {self.seed}{f', mutant {self.mutant}' if self.mutant else ''}"
        yield f"{self.payments} payments in {timedelta(seconds=round(self.duration))}: {_counts(self.states)}"
        yield f"shoppers: {_counts(self.kinds)}"
        yield f"{self.fault_count} faults. {_counts(self.faults)}"
        for occasion, faults in self.provider_faults.items():
            yield f"  provider, {occasion}: {_counts(faults)}"
        yield f"traits of orders: {_counts(self.traits)}"
        yield f"crash points hit: {_counts(self.crash_points) or 'none'}"
        if self.crash_points_missed:
            yield f"crash points NOT hit: {', '.join(self.crash_points_missed)}"
        for name, seconds in (("without faults", self.calm), ("with faults", self.stormy)):
            p50, p99 = (percentiles(seconds).get(name, 0) for name in ("p50", "p99"))
            yield f"to the end {name}: p50 {p50:.2f} s, p99 {p99:.2f} s ({len(seconds)} purchases)"
        settled = "NOT settled" if self.settled_after is None else f"settled {self.settled_after:.1f} s"
        yield f"{settled} after the last fault; {self.looks} looks at the books meanwhile"
        yield from (f"  moving still: {each}" for each in self.moving[:SHOWN])
        yield (
            f"staff sent {self.requeued} dead letters again, dealt with {self.copies} of messages that were"
            f" handled and erased, settled {self.settled} operations, read {self.read} notifications, had"
            f" {self.reviewed} payments reviewed; {self.in_portal} were changed in the provider's portal"
        )
        yield f"{self.with_saved_card} shoppers chose a saved card"
        yield f"the merchant's endpoint: {_counts(self.webhooks)}; {self.repeated} API requests repeated"
        yield f"responses by status: {_counts(self.responses)}"
        # The violations come last, because often only the end of a long output is kept.
        for reference, lines in self.timelines.items():
            yield f"--- {reference}"
            yield from lines
        yield from self.notes
        found = Counter(violation.invariant for violation in self.violations)
        for name, (title, _) in INVARIANTS.items():
            yield f"  {name:<4} {title:<28} {found[name]} violations"
            for violation in [each for each in self.violations if each.invariant == name][:SHOWN]:
                yield f"       {violation.payment or '-'}: {violation.text}"


def percentiles(seconds: Sequence[float]) -> dict[str, float]:
    if not seconds:
        return {}
    ordered = sorted(seconds)
    return {
        name: round(ordered[min(len(ordered) - 1, int(len(ordered) * share))], 3)
        for name, share in (("p50", 0.5), ("p99", 0.99), ("longest", 1.0))
    }


def _counts(counts: Mapping[Any, int]) -> str:
    return ", ".join(
        f"{name} {count}" for name, count in sorted(counts.items(), key=lambda item: str(item[0]))
    )
