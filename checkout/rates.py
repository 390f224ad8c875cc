"""Rates of this process: events counted per minute, and turns that are spread over time."""

from collections.abc import Callable
from dataclasses import dataclass
from math import ceil
from threading import Lock
from time import monotonic
from typing import Any

from messaging import tallies

WINDOW_SECONDS = 60.0
# The most keys that are kept. The one that was used longest ago gives way, so that nobody can fill the table
# and leave too little to those who come next.
MOST_KEYS = 10_000


class RateLimit:
    """A limit per key and minute. Counting takes constant time, and the memory is bounded.

    ``name`` is the name of the limit, under which refusals are counted.
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
        """Count one for ``key`` and return 0. At the limit, return the seconds until one is allowed again."""
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
    """The next turn of a key, ``seconds`` from now. The turn is taken only if it ``is_booked``."""

    seconds: float
    is_booked: bool


class Turns:
    """Turns for each key at a fixed interval. Their memory is bounded."""

    def __init__(self, *, clock: Callable[[], float] = monotonic, most_keys: int = MOST_KEYS) -> None:
        self._clock = clock
        self._most_keys = most_keys
        self._last: dict[str, float] = {}

    def book(self, key: str, *, every_seconds: float, most_seconds: float) -> Turn:
        """Return the next turn of ``key``, and book it unless it is more than ``most_seconds`` away.

        The first turn, too, comes one interval from now.
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
    """Turns by key: up to a minute's number of turns at once, and then one after another, evenly spread.

    It is the generic cell rate algorithm of ATM traffic management, which needs one number per key. It may be
    called from any thread.
    """

    def __init__(self, *, clock: Callable[[], float] = monotonic, most_keys: int = MOST_KEYS) -> None:
        self._clock = clock
        self._most_keys = most_keys
        self._next: dict[str, float] = {}
        self._lock = Lock()

    def seconds_until_turn(self, key: str, *, most: int, patience: float) -> float | None:
        """Take a turn and return the seconds until it comes, or None, without a turn, if that is too long."""
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
    """Remove the oldest entries of a table that has ``most`` of them or more."""
    while len(table) >= most:
        del table[next(iter(table))]
