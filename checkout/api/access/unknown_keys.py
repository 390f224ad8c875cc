"""The limit on requests of one address with unknown keys, in the memory of this process.

Each request with an unknown key costs a query, and the limits of keys do not count it. A key that was valid a
short time ago is looked up in any case, so that a stranger with the same address cannot lock a program out.
"""

from collections.abc import Callable
from math import ceil
from threading import Lock
from time import time

from checkout.rates import make_room
from payments_gateway.serving.clients import network_of

MOST_REQUESTS = 60
WINDOW_SECONDS = 60
MOST_ADDRESSES = 10_000
MOST_KEYS = 10_000


class UnknownKeys:
    """Counts by address and window. May be used from any thread."""

    def __init__(self, *, clock: Callable[[], float] = time) -> None:
        self._clock = clock
        self._window = 0
        self._counts: dict[str, int] = {}
        self._valid: dict[str, None] = {}
        self._lock = Lock()

    def seconds_to_wait(self, address: str, secret_hash: str) -> int:
        """Return 0 if the key may be looked up, else the seconds until the address may try again."""
        with self._lock:
            now = self._begin()
            if secret_hash in self._valid or self._counts.get(network_of(address), 0) < MOST_REQUESTS:
                return 0
            return max(1, ceil((self._window + 1) * WINDOW_SECONDS - now))

    def count(self, address: str) -> None:
        """Count one request with an unknown key."""
        network = network_of(address)
        with self._lock:
            self._begin()
            # The address that was counted longest ago is removed, so that the memory is bounded.
            count = self._counts.pop(network, 0)
            make_room(self._counts, MOST_ADDRESSES)
            self._counts[network] = count + 1

    def count_ended(self, address: str, secret_hash: str) -> None:
        """Count one request with a key that is no longer valid, and treat the key as unknown from now on."""
        with self._lock:
            self._valid.pop(secret_hash, None)
        self.count(address)

    def remember(self, secret_hash: str) -> None:
        """Mark a key as valid, so that its requests are not limited."""
        with self._lock:
            self._valid.pop(secret_hash, None)
            make_room(self._valid, MOST_KEYS)
            self._valid[secret_hash] = None

    def clear(self) -> None:
        """Remove all counts and keys."""
        with self._lock:
            self._counts, self._valid = {}, {}

    def _begin(self) -> float:
        """Return the time. Delete the counts if they belong to an earlier window."""
        now = self._clock()
        if (number := int(now // WINDOW_SECONDS)) != self._window:
            self._window, self._counts = number, {}
        return now


unknown_keys = UnknownKeys()
