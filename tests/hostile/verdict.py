"""The results of the attacks: two tables, and the violations."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from benchmarks.table import table
from tests.faults.evidence import Evidence
from tests.faults.invariants import Violation, violations_of
from tests.faults.recorder import Seen
from tests.faults.report import percentiles

CALM, CALM_AGAIN, ALL = "calm", "calm again", "all together"
# The factor by which an attack may raise shoppers' p99 of the calm phase.
GOAL = 2.0
SOLD = ("captured", "partially_refunded")


@dataclass(frozen=True)
class Phase:
    """The results of one phase. `seen` are the answers to shoppers, `told` counts the answers to attackers.

    `web_megabytes` is the maximum of one web process, `sockets` the maximum of all web processes together.
    """

    name: str
    seconds: float
    seen: Sequence[Seen]
    purchases: int
    cpu_web: float
    cpu_services: float
    web_megabytes: float
    sockets: int
    questions: int
    notifications: int
    transactions: int
    rows: int
    told: Mapping[str, int] = field(default_factory=dict)

    @property
    def p50(self) -> float:
        return self._percentile("p50")

    @property
    def p99(self) -> float:
        return self._percentile("p99")

    def _percentile(self, name: str) -> float:
        return percentiles([each.seconds for each in self.seen]).get(name, 0.0) * 1000


def judged(evidence: Evidence) -> list[Violation]:
    """Return the violations of the campaign's invariants, and paid orders that were cancelled."""
    return [*violations_of(evidence), *_called_off(evidence)]


def _called_off(evidence: Evidence) -> Iterator[Violation]:
    for reference, payment in evidence.payments.items():
        reservation = evidence.reservations.get(reference)
        if payment.state in SOLD and reservation != "confirmed":
            yield Violation("I4", reference, f"{payment.state}, but its stock is {reservation}")


@dataclass
class Result:
    """All results. `memory` has each process's megabytes: before, at most, after."""

    phases: list[Phase] = field(default_factory=list)
    memory: dict[str, tuple[float, float, float]] = field(default_factory=dict)
    violations: list[Violation] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    settled_after: float | None = None

    @property
    def calm_p99(self) -> float:
        return next((phase.p99 for phase in self.phases if phase.name == CALM), 0.0)

    @property
    def slowed(self) -> list[str]:
        """Return the phases in which shoppers' p99 was above the goal."""
        return [phase.name for phase in self.phases if phase.p99 > GOAL * self.calm_p99]

    def lines(self) -> Iterator[str]:
        yield self._phases()
        yield ""
        yield self._memory()
        yield ""
        for phase in self.phases:
            if phase.told:
                told = ", ".join(f"{name} {count}" for name, count in sorted(phase.told.items()))
                yield f"{phase.name}: attackers were answered {told}"
        settled = "NOT settled" if self.settled_after is None else f"settled {self.settled_after:.0f} s"
        yield f"{settled} after the last attack; slowed more than {GOAL} times: {self.slowed or 'none'}"
        counts = Counter(violation.invariant for violation in self.violations)
        yield f"violations: {dict(counts) or 'none'}"
        yield from (f"  {each.invariant} {each.payment or '-'}: {each.text}" for each in self.violations[:40])
        yield from self.notes

    def _phases(self) -> str:
        head = [
            "phase",
            "answers",
            "p50 ms",
            "p99 ms",
            "to calm",
            "purchases/min",
            "web CPU %",
            "services CPU %",
        ]
        head += ["web MB", "sockets", "questions", "notifications", "transactions/s", "rows/s"]
        return table(head, [self._row(phase) for phase in self.phases])

    def _row(self, phase: Phase) -> list[str]:
        calm = self.calm_p99 or 1.0
        return [
            phase.name,
            f"{len(phase.seen)}",
            f"{phase.p50:.0f}",
            f"{phase.p99:.0f}",
            f"{phase.p99 / calm:.2f}",
            f"{60 * phase.purchases / phase.seconds:.0f}",
            f"{100 * phase.cpu_web / phase.seconds:.0f}",
            f"{100 * phase.cpu_services / phase.seconds:.0f}",
            f"{phase.web_megabytes:.0f}",
            f"{phase.sockets}",
            f"{phase.questions}",
            f"{phase.notifications}",
            f"{phase.transactions / phase.seconds:.0f}",
            f"{phase.rows / phase.seconds:.0f}",
        ]

    def _memory(self) -> str:
        rows = [
            [name, *(f"{megabytes:.0f}" for megabytes in held)] for name, held in sorted(self.memory.items())
        ]
        return table(["process", "MB before", "MB at most", "MB after"], rows)
