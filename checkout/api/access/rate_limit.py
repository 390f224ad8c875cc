"""The limit on a key's requests, shared by all web processes.

Time is divided into windows. A process takes requests of a window from the database in batches and spends
them from memory, so that most requests cost no query. Requests that it has not spent when the window ends are
lost, which only makes the limit a little stricter. Processes whose clocks differ by less than a window share
its requests. If the clocks differ by more, each process starts the stored window again, so that a wrong clock
cannot lock a key out.
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import ceil
from threading import Lock
from time import time

from django.db import transaction

from checkout.api.models import RateLease
from checkout.conf import conf
from messaging import tallies

# The number of batches in a window's quota.
BATCHES = 20
MOST_KEYS = 10_000
POLICY = "default"


@dataclass(slots=True)
class _Window:
    """The present window of one key. ``left`` is the part of the quota that the database last had left."""

    number: int
    unspent: int = 0
    left: int = 0
    is_used_up: bool = False


@dataclass(frozen=True, slots=True)
class Quota:
    """The state of a key's limit after a request. ``is_exceeded`` is True if the request must be refused."""

    is_exceeded: bool
    remaining: int
    seconds: int

    def headers(self) -> dict[str, str]:
        """Return the headers of draft-ietf-httpapi-ratelimit-headers-11.

        Add Retry-After if ``is_exceeded``.
        """
        told = {
            "RateLimit-Policy": f'"{POLICY}";q={conf.api_requests};w={conf.api_window_seconds}',
            "RateLimit": f'"{POLICY}";r={self.remaining};t={self.seconds}',
        }
        return {**told, "Retry-After": str(self.seconds)} if self.is_exceeded else told


class KeyLimit:
    """The batches of requests that this process has leased, by key. May be used from any thread."""

    def __init__(self, *, clock: Callable[[], float] = time) -> None:
        self._clock = clock
        self._windows: dict[int, _Window] = {}
        self._lock = Lock()

    def spend(self, key: int) -> Quota:
        """Count one request of a key. Raises ``DatabaseError``."""
        length, now = conf.api_window_seconds, self._clock()
        number = int(now // length)
        seconds = max(1, ceil((number + 1) * length - now))
        if (known := self._spend(key, number, 0, None)) is None:
            granted, left = _lease(key, number)
            known = self._spend(key, number, granted, left)
        if not known:
            tallies.refusals.add("requests_of_key_in_window")
        remaining = known or 0
        return Quota(not known, max(0, remaining - 1), seconds)

    def _spend(self, key: int, number: int, granted: int, left: int | None) -> int | None:
        """Spend a leased request. Return how many were left before; None if a new lease is needed first."""
        with self._lock:
            window = self._of(key, number)
            window.unspent += granted
            if left is not None:
                window.left, window.is_used_up = left, not left
            if window.unspent:
                window.unspent -= 1
                return window.unspent + 1 + window.left
            return 0 if left is not None or window.is_used_up else None

    def _of(self, key: int, number: int) -> _Window:
        window = self._windows.get(key)
        if window is None or window.number != number:
            if len(self._windows) >= MOST_KEYS:
                kept = {known: each for known, each in self._windows.items() if each.number == number}
                self._windows = kept
            window = self._windows[key] = _Window(number)
        return window


def _lease(key: int, window: int) -> tuple[int, int]:
    """Take a batch of the window's requests. Return its size, and the number of requests left after it."""
    with transaction.atomic():
        RateLease.objects.get_or_create(key_id=key, defaults={"window": window})
        row = RateLease.objects.select_for_update().get(key_id=key)
        # A stored window beyond the next one was written with a fast clock, or while windows were shorter.
        if not window <= row.window <= window + 1:
            row.window, row.taken = window, 0
        left = max(0, conf.api_requests - row.taken)
        granted = min(left, max(1, conf.api_requests // BATCHES))
        row.taken += granted
        row.save(update_fields=["window", "taken"])
        return granted, left - granted


limit = KeyLimit()
