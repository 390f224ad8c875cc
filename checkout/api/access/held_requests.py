"""Limits on the requests of one key that this process holds, or handles, at the same time."""

from threading import Lock

from checkout.conf import conf
from messaging import tallies
from payments_gateway.serving.clients import ClientCounter

_LONGEST = 200  # no key is longer


class HeldRequests:
    """Counts of the held requests of each key. Database threads call ``enter``, the event loop ``leave``."""

    def __init__(self) -> None:
        self._count: dict[int, int] = {}
        self._lock = Lock()

    def enter(self, key: int) -> bool:
        """Count a request and return True, or return False if its key has too many already."""
        with self._lock:
            count = self._count.get(key, 0)
            if count >= conf.api_held_per_key:
                tallies.refusals.add("held_requests_of_key")
                return False
            self._count[key] = count + 1
            return True

    def leave(self, key: int) -> None:
        """Remove a request from the count."""
        with self._lock:
            count = self._count.pop(key) - 1
            if count:
                self._count[key] = count


class RequestsUnderWay:
    """Counts of the requests that this process handles for each key, whether or not the key exists.

    Without this limit, one key that is used from many networks could fill a process, so that shoppers and
    other merchants would be refused. All calls are on the event loop.
    """

    def __init__(self) -> None:
        self._counter = ClientCounter("requests_of_key")

    def enter(self, header: str) -> bool:
        """Count a request and return True, or return False if its key has too many already."""
        most = {"most": conf.max_held, "most_of_client": conf.api_at_once_per_key}
        return self._counter.enter(_key_in(header), **most) is None

    def leave(self, header: str) -> None:
        """Remove a request from the count."""
        self._counter.leave(_key_in(header))


def _key_in(header: str) -> str:
    """Return the key in a header; "" if there is none. Requests without a key have no limit of their own."""
    return header[:_LONGEST].partition(" ")[2].strip()


held_requests = HeldRequests()
under_way = RequestsUnderWay()
