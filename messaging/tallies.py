"""Numbers that this process counts, for the program that publishes them (``Observe it`` in ``README.md``).

Nothing is counted until ``begin`` is called. Until then each place that counts only looks at ``is_on``.
"""

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from threading import Lock

Labels = tuple[str | int, ...]

# The most series of one tally. Far fewer are expected; the limit keeps a mistake from using up memory.
MOST_SERIES = 1_000
OTHER = "other"
# Upper bounds of durations, in seconds.
BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)

is_on = False


def begin() -> None:
    """Count from now on."""
    global is_on
    is_on = True


@dataclass(frozen=True, slots=True)
class Distribution:
    """The durations of one series: how many were within each bound and beyond the last one, and their sum."""

    counts: Sequence[int]
    sum_seconds: float


class Tally:
    """A count of events by labels. Any thread may add to it."""

    def __init__(self, name: str, help: str, *labels: str) -> None:
        self.name, self.help, self.labels = name, help, labels
        self._lock = Lock()
        self._values: dict[Labels, int] = {}

    def add(self, *labels: str | int, number: int = 1) -> None:
        """Count events with these labels."""
        if is_on:
            with self._lock:
                series = _bounded(self._values, labels)
                self._values[series] = self._values.get(series, 0) + number

    def read(self) -> Mapping[Labels, int]:
        """Return the counts so far."""
        with self._lock:
            return dict(self._values)


class Times:
    """Durations of events by labels. Any thread may add to it."""

    def __init__(self, name: str, help: str, *labels: str, bounds: Sequence[float] = BOUNDS) -> None:
        self.name, self.help, self.labels, self.bounds = name, help, labels, bounds
        self._lock = Lock()
        # A series counts the durations within each bound and beyond the last one, and adds them up.
        self._series: dict[Labels, list[float]] = {}

    def note(self, seconds: float, *labels: str | int) -> None:
        """Add an event with its duration in seconds."""
        if is_on:
            place = bisect_left(self.bounds, seconds)
            with self._lock:
                series = self._series.get(labels) or self._of_new(labels)
                series[place] += 1
                series[-1] += seconds

    def _of_new(self, labels: Labels) -> list[float]:
        return self._series.setdefault(_bounded(self._series, labels), [0] * (len(self.bounds) + 2))

    def read(self) -> Mapping[Labels, Distribution]:
        """Return the durations that were noted so far."""
        with self._lock:
            return {
                labels: Distribution([int(count) for count in counts], sum_seconds)
                for labels, (*counts, sum_seconds) in self._series.items()
            }


def _bounded(known: Mapping[Labels, object], labels: Labels) -> Labels:
    """Return the labels, or ``OTHER`` in place of each label if there are too many series already."""
    return labels if labels in known or len(known) < MOST_SERIES else (OTHER,) * len(labels)


waits = Times(
    "reply_wait_seconds",
    "Time from a call to its reply, or to the end of the wait, by the command's type and the outcome.",
    "type",
    "outcome",
)
handled = Times(
    "message_seconds",
    "Time to deal with a delivery: handled, again (it is delivered again), or failed (by an error).",
    "service",
    "outcome",
)
redeliveries = Tally("redeliveries", "Deliveries of messages that were delivered before.", "service")
dead_letters = Tally("dead_letters", "Messages that a service gave up.", "service")
relayed = Tally(
    "relayed_messages",
    "Messages that a relay tried to publish, by database and outcome.",
    "database",
    "outcome",
)
from_future = Tally(
    "messages_from_the_future", "Messages that were sent later than now by this host's clock."
)
refusals = Tally("limit_refusals", "Refusals by limits of this process.", "limit")
