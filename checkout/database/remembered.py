"""A cache of rows that most requests need and staff seldom change. A row is read at most once per second."""

from copy import copy
from threading import Lock
from time import monotonic
from typing import Generic, TypeVar

from django.db.models import Model

from checkout.conf import conf
from messaging.compiled_queries import Compiled

M = TypeVar("M", bound=Model)

# The largest number of rows that are kept for one query. The row that was read first is removed first.
MOST = 1_000


class Remembered(Generic[M]):
    """A cache of the rows of a compiled query. A row is kept for ``conf.remember_seconds``.

    The absence of a row is not cached, so that a new row is found at once, and invented values take no
    memory. Callers get copies, because several threads use the rows. All rows come from the one database of
    the query.
    """

    def __init__(self, query: Compiled[M]) -> None:
        self._query = query
        self._rows: dict[str | int, tuple[float, M]] = {}
        self._lock = Lock()

    def first(self, value: str | int) -> M | None:
        """Return the first row that matches, or None."""
        if not conf.remember_seconds:
            return self._query.first(value)
        read_at, row = self._rows.get(value, (0.0, None))
        # The clock is read before the row, so that a changed row is never used for longer than that.
        now = monotonic()
        if row is not None and now - read_at < conf.remember_seconds:
            return copy(row)
        found = self._query.first(value)
        if found is not None:
            self._remember(value, now, copy(found))
        return found

    def _remember(self, value: str | int, now: float, row: M) -> None:
        with self._lock:
            self._rows.pop(value, None)
            while len(self._rows) >= MOST:
                del self._rows[next(iter(self._rows))]
            self._rows[value] = now, row
