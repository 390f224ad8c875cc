"""Rows that each request needs and staff seldom change, which a process reads once a second at most."""

from copy import copy
from threading import Lock
from time import monotonic
from typing import Generic, TypeVar

from django.db.models import Model

from checkout.conf import conf
from messaging.compiled_queries import Compiled

M = TypeVar("M", bound=Model)

# The rows that are remembered of one query. The one that was read first makes room for another.
MOST = 1_000


class Remembered(Generic[M]):
    """The rows that a compiled query has found, each for ``conf.remember_seconds`` after it was read.

    A value for which there is no row is looked for each time, so that a new row is found at once, and that
    invented values take no room. Callers get copies, because several threads use the rows. They come from the
    database of the query, as each query has one.
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
        # The clock is read before the row, so that a change is never missed for longer.
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
