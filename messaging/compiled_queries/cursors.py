"""A cursor that is kept for the next statement, because creating one costs as much as running a statement."""

from dataclasses import dataclass

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
    """A cursor and the driver's connection it belongs to, which a pool may have replaced since."""

    raw: object
    cursor: CursorWrapper


def cursor_of(connection: BaseDatabaseWrapper) -> CursorWrapper:
    """Return a cursor for one statement. Fetch its results before asking for the next cursor."""
    if not is_made_for(*MADE_FOR):
        return connection.cursor()
    kept: _Kept | None = vars(connection).get(_KEPT)
    if kept is not None and kept.raw is connection.connection and not connection.queries_logged:
        connection.validate_thread_sharing()
        return kept.cursor
    cursor = connection.cursor()
    if not connection.queries_logged:
        vars(connection)[_KEPT] = _Kept(connection.connection, cursor)
    return cursor
