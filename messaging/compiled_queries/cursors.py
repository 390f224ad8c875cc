"""A cursor kept for the next statement: Django makes one for each, which costs as much as running it."""

from dataclasses import dataclass

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.utils import CursorWrapper

# Kept by Django's object for a thread's connection itself, so that it goes when that goes.
_KEPT = "_kept_cursor"


@dataclass(frozen=True, slots=True)
class _Kept:
    """A cursor of what Django had connected to, which may be another connection of the pool by now."""

    raw: object
    cursor: CursorWrapper


def cursor_of(connection: BaseDatabaseWrapper) -> CursorWrapper:
    """Return a cursor to run one statement with, whose results are fetched before the next one."""
    kept: _Kept | None = vars(connection).get(_KEPT)
    if kept is not None and kept.raw is connection.connection and not connection.queries_logged:
        connection.validate_thread_sharing()
        return kept.cursor
    cursor = connection.cursor()
    if not connection.queries_logged:
        vars(connection)[_KEPT] = _Kept(connection.connection, cursor)
    return cursor
