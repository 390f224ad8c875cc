"""One cursor for each connection: Django makes one for each statement, which costs as much as running it."""

from weakref import WeakKeyDictionary

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.utils import CursorWrapper

# By a thread's connection: what Django had connected it to, and a cursor of that.
_kept: "WeakKeyDictionary[BaseDatabaseWrapper, tuple[object, CursorWrapper]]" = WeakKeyDictionary()


def cursor_of(connection: BaseDatabaseWrapper) -> CursorWrapper:
    """Return a cursor to run one statement with, whose results are fetched before the next one."""
    kept = _kept.get(connection)
    if kept is not None and kept[0] is connection.connection and not connection.queries_logged:
        return kept[1]
    cursor = connection.cursor()
    if not connection.queries_logged:
        _kept[connection] = (connection.connection, cursor)
    return cursor
