"""The results of many schedules, added up."""

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.simulation.world import World


@dataclass
class Report:
    """The figures of a run. ``violations`` are pairs of seed and text; ``busy_seconds`` is processor time."""

    schedules: int = 0
    payments: int = 0
    events: int = 0
    busy_seconds: float = 0.0
    faults: Counter[str] = field(default_factory=Counter)
    crash_points: Counter[str] = field(default_factory=Counter)
    ends: Counter[str] = field(default_factory=Counter)
    violations: list[tuple[int, str]] = field(default_factory=list)

    def add(self, world: "World") -> None:
        """Add the results of one schedule."""
        self.schedules += 1
        self.payments += len(world.shoppers)
        self.events += len(world.trace)
        self.faults.update(world.chance.happened)
        self.crash_points.update(world.crashes)
        self.ends.update(world.ends())
        self.violations += [(world.seed, violation) for violation in world.violations]

    def __add__(self, other: "Report") -> "Report":
        return Report(
            self.schedules + other.schedules,
            self.payments + other.payments,
            self.events + other.events,
            self.busy_seconds + other.busy_seconds,
            self.faults + other.faults,
            self.crash_points + other.crash_points,
            self.ends + other.ends,
            self.violations + other.violations,
        )

    def rate(self, seconds: float) -> float:
        """Return the schedules per minute of a run that took ``seconds`` of real time."""
        return self.schedules / seconds * 60

    def figures(self, seconds: float) -> dict[str, Any]:
        """Return the figures in a form for programs."""
        return {**vars(self), "seconds": seconds, "schedules_per_minute": self.rate(seconds)}

    def lines(self, seconds: float) -> list[str]:
        """Return the figures in a form for people. ``seconds`` is the real time that the run took."""
        return [
            f"{self.schedules} schedules, {self.payments} payments, {self.events} events in {seconds:.0f} s: "
            f"{self.rate(seconds):.0f} schedules a minute, "
            f"{self.schedules / max(self.busy_seconds, 0.001) * 60:.0f} per minute of processor time",
            _counts("faults", self.faults),
            _counts("crashes", self.crash_points),
            _counts("ends", self.ends),
            f"{len(self.violations)} violations",
        ]


def _counts(title: str, counter: Counter[str]) -> str:
    total = sum(counter.values())
    return f"{title} {total}: " + ", ".join(f"{name} {number}" for name, number in sorted(counter.items()))
