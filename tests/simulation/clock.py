"""Virtual time, which stands still while code runs, and jumps to the next timer when everything waits."""

from datetime import UTC, datetime, timedelta

import time_machine
from django.utils import timezone

EPOCH = datetime(2030, 1, 7, 9, 0, tzinfo=UTC)


class Clock:
    """The clock of this process, in seconds since ``EPOCH``. ``datetime`` and the event loop follow it."""

    def __init__(self) -> None:
        self.now = 0.0
        self._shown = timedelta(0)
        self._moment = EPOCH
        self._travel = time_machine.travel(EPOCH, tick=False)
        self._traveller = self._travel.start()
        # A shortcut for speed: Django and the product call it several times per message.
        timezone.now = lambda: self._moment

    def move_to(self, now: float) -> None:
        """Set the time to ``now``."""
        self.now = now
        shown = timedelta(seconds=now)
        # Moving to an absolute date would set the time zone again, every time.
        self._traveller.shift(shown - self._shown)
        self._shown = shown
        self._moment = EPOCH + shown

    def stored(self) -> str:
        """Return the present time as SQLite stores it."""
        return str(self._moment.replace(tzinfo=None))

    def seconds_until(self, stored: str | None) -> float | None:
        """Convert a time as SQLite stores it to seconds since ``EPOCH``."""
        if stored is None:
            return None
        return (datetime.fromisoformat(stored).replace(tzinfo=UTC) - EPOCH).total_seconds()
