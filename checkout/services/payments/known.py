"""What we know of an attempt's captures or refunds at one moment, and so what the provider may have booked.

A refund is in doubt from a notification that says, by its name, that it failed, until an inquiry has found
it made. Both are facts, which are written with the attempt locked: their order is that of what they tell.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from checkout.models import Attempt, Fact, Operation
from checkout.models.sums import operations_of
from checkout.providers.base import Outcome, ProviderResult
from checkout.scrubbing import scrub_text

Kind, State = Operation.Kind, Operation.State

FAILURE_TOLD = "notified_refund_failed"
FOUND_MADE = "inquire_refund_approved"


@dataclass(frozen=True, slots=True)
class Doubt:
    """The fact that put a refund in doubt: its number, and when that was told."""

    fact: int
    told_at: datetime


@dataclass(frozen=True, slots=True)
class Entry:
    """One operation, and what puts it in doubt, if anything does."""

    reference: str
    minor: int
    state: str
    doubt: Doubt | None = None

    @property
    def is_in_doubt(self) -> bool:
        """Whether a notification says that it failed, and no answer of the provider has denied it since."""
        return self.doubt is not None


@dataclass(frozen=True, slots=True)
class Known:
    """All operations of one kind that were not refused.

    An answer is as old as its question: it is only worth what it seems while what we know is what it was.
    """

    entries: tuple[Entry, ...]

    def of(self, reference: str) -> Entry | None:
        """Return the one with this reference."""
        return next((each for each in self.entries if each.reference == reference), None)

    def without(self, reference: str) -> "Known":
        """Return all others."""
        return Known(tuple(each for each in self.entries if each.reference != reference))

    @property
    def least(self) -> int:
        """What the provider must have booked of them, in minor units: all that is certain."""
        return sum(each.minor for each in self.entries if each.state == State.DONE and not each.is_in_doubt)

    @property
    def most(self) -> int:
        """What it can have booked of them at most, in minor units."""
        return sum(each.minor for each in self.entries)


def known_of(attempt: Attempt, kind: str) -> Known:
    """Return what we know now of the attempt's operations of this kind."""
    made = [each for each in operations_of(attempt) if each.kind == kind and each.state != State.REFUSED]
    names = [scrub_text(each.reference) for each in made]
    doubts = _doubts(attempt, names) if kind == Kind.REFUND and made else {}
    return Known(
        tuple(
            Entry(each.reference, each.amount_minor, each.state, doubts.get(name))
            for each, name in zip(made, names, strict=True)
        )
    )


def booked(result: ProviderResult, kind: str) -> int | None:
    """Return the provider's sum of all captures or refunds, in minor units; None where it tells none."""
    if (
        result.position is None
        or result.outcome != Outcome.APPROVED
        or kind not in (Kind.CAPTURE, Kind.REFUND)
    ):
        return None
    return result.position.captured.minor if kind == Kind.CAPTURE else result.position.refunded.minor


def _doubts(attempt: Attempt, names: Collection[str]) -> dict[str, Doubt]:
    """Of these only: anybody can have facts written that name something else."""
    facts = Fact.objects.filter(
        attempt=attempt, kind__in=(FAILURE_TOLD, FOUND_MADE), data__reference__in=names
    )
    doubts: dict[str, Doubt] = {}
    for fact in facts.only("kind", "data", "recorded_at").order_by("pk"):
        reference = fact.data["reference"]
        if fact.kind == FOUND_MADE:
            doubts.pop(reference, None)
        elif "not_applied" not in fact.data:
            doubts[reference] = Doubt(fact.pk, fact.recorded_at)
    return doubts
