"""The cap on the requests of one key that this process holds at once."""

from threading import Lock

from checkout.conf import conf


class HeldRequests:
    """A count by key. It is counted in database threads, and counted out on the event loop."""

    def __init__(self) -> None:
        self._count: dict[int, int] = {}
        self._lock = Lock()

    def enter(self, key: int) -> bool:
        """Count a request in; return False, without counting it, if its key has too many already."""
        with self._lock:
            count = self._count.get(key, 0)
            if count >= conf.api_held_per_key:
                return False
            self._count[key] = count + 1
            return True

    def leave(self, key: int) -> None:
        """Count a request out."""
        with self._lock:
            count = self._count.pop(key) - 1
            if count:
                self._count[key] = count


held_requests = HeldRequests()
