"""A cursor that is kept for the next statement, because creating one costs as much as running a statement.

On PostgreSQL it takes statements with its own placeholders (``$1``). psycopg does not keep its translation of
a statement with more than 50 values, as most batches have, and would parse it at each use.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import count
from typing import Any

import psycopg
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.utils import CursorWrapper

from messaging.libraries.versions import is_made_for

# The library and its release whose internals are used here and in ``reading``. With any other, Django
# compiles each query when it is used, and makes a cursor for each statement.
MADE_FOR = ("django", "5.2", "compiled queries")
# An attribute of Django's connection object, so that the cursor is dropped together with that object.
_KEPT = "_kept_cursor"


@dataclass(frozen=True, slots=True)
class _Kept:
    """A cursor, and the driver's connection that it belongs to, which a pool may have replaced since."""

    raw: object
    cursor: CursorWrapper


def execute(connection: BaseDatabaseWrapper, sql: str, values: Sequence[Any]) -> CursorWrapper:
    """Run one statement. Fetch its results before running the next one."""
    if not is_made_for(*MADE_FOR) or connection.queries_logged:
        cursor = connection.cursor()
    elif connection.vendor == "postgresql":
        cursor, sql = _kept_cursor(connection), _numbered(sql)
    else:
        cursor = _kept_cursor(connection)
    cursor.execute(sql, values)
    return cursor


def _kept_cursor(connection: BaseDatabaseWrapper) -> CursorWrapper:
    kept: _Kept | None = vars(connection).get(_KEPT)
    if kept is not None and kept.raw is connection.connection:
        connection.validate_thread_sharing()
        return kept.cursor
    cursor = connection.cursor()
    if connection.vendor == "postgresql":
        # The parameter is annotated with Django's own cursor class.
        cursor = connection.make_cursor(psycopg.RawCursor(connection.connection))  # type: ignore[arg-type]
    vars(connection)[_KEPT] = _Kept(connection.connection, cursor)
    return cursor


@lru_cache(maxsize=1000)
def _numbered(sql: str) -> str:
    """Return a statement with PostgreSQL's own placeholders (``$1``), as psycopg would translate it."""
    numbers = count(1)
    return re.sub("%[s%]", lambda found: f"${next(numbers)}" if found[0] == "%s" else "%", sql)
