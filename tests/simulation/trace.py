"""The events of a schedule in order, to read after a violation and to compare after a replay."""

import hashlib

from tests.simulation.clock import Clock


class Trace:
    """Every event of one schedule with its virtual time."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._events: list[tuple[float, str, tuple[object, ...]]] = []

    def note(self, who: str, *what: object) -> None:
        """Record an event."""
        self._events.append((self._clock.now, who, what))

    def __len__(self) -> int:
        return len(self._events)

    def lines(self) -> list[str]:
        """Return the trace as text."""
        return [
            f"{when:14.6f}  {who:16}  {' '.join(str(part) for part in what)}"
            for when, who, what in self._events
        ]

    def digest(self) -> str:
        """Return a digest of all events, which is the same for two runs of the same schedule."""
        return hashlib.sha256("\n".join(self.lines()).encode()).hexdigest()
