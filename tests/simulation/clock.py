"""Virtual time: it stands still while anything runs, and jumps when everybody waits."""

from datetime import UTC, datetime, timedelta

import time_machine
from django.utils import timezone

EPOCH = datetime(2030, 1, 7, 9, 0, tzinfo=UTC)


class Clock:
    """The time on every clock of this process, in seconds since ``EPOCH``: also ``datetime`` and the loop."""

    def __init__(self) -> None:
        self.now = 0.0
        self._shown = timedelta(0)
        self._moment = EPOCH
        self._travel = time_machine.travel(EPOCH, tick=False)
        self._traveller = self._travel.start()
        # Asked several times per message, most often by Django itself.
        timezone.now = lambda: self._moment

    def move_to(self, now: float) -> None:
        """Let it be ``now``."""
        self.now = now
        shown = timedelta(seconds=now)
        # Moving to a date would set the time zone again, every time.
        self._traveller.shift(shown - self._shown)
        self._shown = shown
        self._moment = EPOCH + shown

    def seconds_until(self, stored: str | None) -> float | None:
        """Return when a time as SQLite stores it is, in seconds since ``EPOCH``."""
        if stored is None:
            return None
        return (datetime.fromisoformat(stored).replace(tzinfo=UTC) - EPOCH).total_seconds()
