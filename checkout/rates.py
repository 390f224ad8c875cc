"""Rate limits in the memory of this process: events per minute, and turns that are spread over time."""

from collections.abc import Callable
from dataclasses import dataclass
from math import ceil
from threading import Lock
from time import monotonic
from typing import Any

from messaging import tallies

WINDOW_SECONDS = 60.0
# The largest number of keys in memory. The key that was used longest ago is removed first, so that nobody can
# fill the table and leave no room for others.
MOST_KEYS = 10_000


class RateLimit:
    """A limit of events per key and minute. Counting takes constant time, and the memory is bounded.

    Refusals are counted under ``name``.
    """

    def __init__(
        self, name: str, *, clock: Callable[[], float] = monotonic, most_keys: int = MOST_KEYS
    ) -> None:
        self._clock = clock
        self._most_keys = most_keys
        self._name = name
        self._counts: dict[str, int] = {}
        self._ends = 0.0

    def seconds_until_allowed(self, key: str, *, most: int) -> int:
        """Count one event of ``key`` and return 0.

        At the limit, return the seconds until the next is allowed.
        """
        now = self._clock()
        if now >= self._ends:
            self._counts.clear()
            self._ends = now + WINDOW_SECONDS
        count = self._counts.pop(key, 0)
        is_allowed = count < most
        make_room(self._counts, self._most_keys)
        self._counts[key] = count + is_allowed
        if is_allowed:
            return 0
        tallies.refusals.add(self._name)
        return max(1, ceil(self._ends - now))


@dataclass(frozen=True, slots=True)
class Turn:
    """The next turn of a key, in ``seconds``. The turn is the caller's only if it ``is_booked``."""

    seconds: float
    is_booked: bool


class Turns:
    """Turns for each key at a fixed interval. The memory is bounded."""

    def __init__(self, *, clock: Callable[[], float] = monotonic, most_keys: int = MOST_KEYS) -> None:
        self._clock = clock
        self._most_keys = most_keys
        self._last: dict[str, float] = {}

    def book(self, key: str, *, every_seconds: float, most_seconds: float) -> Turn:
        """Return the next turn of ``key``, and book it unless it is more than ``most_seconds`` away.

        Even the first turn is one interval away.
        """
        now = self._clock()
        last = max(now, self._last.pop(key, now))
        turn = last + every_seconds
        seconds = turn - now
        is_booked = seconds <= most_seconds
        make_room(self._last, self._most_keys)
        self._last[key] = turn if is_booked else last
        return Turn(seconds, is_booked)


class Pace:
    """Turns for each key: up to a minute's number of turns at once, and further ones evenly spread.

    This is the generic cell rate algorithm of ATM traffic management, which stores one number per key. It may
    be used from any thread.
    """

    def __init__(self, *, clock: Callable[[], float] = monotonic, most_keys: int = MOST_KEYS) -> None:
        self._clock = clock
        self._most_keys = most_keys
        self._next: dict[str, float] = {}
        self._lock = Lock()

    def seconds_until_turn(self, key: str, *, most: int, patience: float) -> float | None:
        """Book a turn, and return the seconds until it comes; None, without a turn, if it is too far away."""
        with self._lock:
            now = self._clock()
            if len(self._next) >= self._most_keys:
                self._next = {known: at for known, at in self._next.items() if at > now}
            at = max(now, self._next.get(key, 0.0)) + WINDOW_SECONDS / most
            seconds = max(0.0, at - now - WINDOW_SECONDS)
            if seconds > patience:
                return None
            self._next[key] = at
            return seconds


def make_room(table: dict[str, Any], most: int) -> None:
    """Remove the oldest entries of ``table`` until it has fewer than ``most``."""
    while len(table) >= most:
        del table[next(iter(table))]
