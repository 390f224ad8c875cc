"""The events of a schedule, in order: to be read after a violation, and compared after a replay."""

import hashlib

from tests.simulation.clock import Clock


class Trace:
    """Every event of one schedule with its virtual time."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._events: list[tuple[float, str, tuple[object, ...]]] = []

    def note(self, who: str, *what: object) -> None:
        """Write down that something happened."""
        self._events.append((self._clock.now, who, what))

    def __len__(self) -> int:
        return len(self._events)

    def lines(self) -> list[str]:
        """Return it for people."""
        return [
            f"{when:14.6f}  {who:16}  {' '.join(str(part) for part in what)}"
            for when, who, what in self._events
        ]

    def digest(self) -> str:
        """Return what two runs of the same schedule have in common, to the last event."""
        return hashlib.sha256("\n".join(self.lines()).encode()).hexdigest()
