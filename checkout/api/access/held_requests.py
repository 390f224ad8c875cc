"""The caps on the requests of one key that this process holds, or takes, at once."""

from threading import Lock

from checkout.conf import conf
from payments_gateway.serving.clients import ClientCounter

_LONGEST = 200  # a longer key is none


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


class RequestsUnderWay:
    """A count of all requests by the header with their key, before the database is asked about that.

    One key from many networks could otherwise take the place of all shoppers and other merchants in a
    process. It is counted on the event loop. A header that is invented counts for itself.
    """

    def __init__(self) -> None:
        self._counter = ClientCounter()

    def enter(self, header: str) -> bool:
        """Count a request in; return False, without counting it, if its key has too many already."""
        most = {"most": conf.max_held, "most_of_client": conf.api_at_once_per_key}
        return self._counter.enter(_key_in(header), **most) is None

    def leave(self, header: str) -> None:
        """Count a request out."""
        self._counter.leave(_key_in(header))


def _key_in(header: str) -> str:
    """Return what identifies the key in a header: "" for none, whose requests have no limit of their own."""
    return header[:_LONGEST].partition(" ")[2].strip()


held_requests = HeldRequests()
under_way = RequestsUnderWay()
