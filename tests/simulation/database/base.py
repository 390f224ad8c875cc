"""The engine: commits are watched, and everything can be put back to how it was at first.

Most of what Django does around a statement is for other databases, for debugging or for threads. What the
product could get wrong is still looked at: a database used on the event loop, or in a broken transaction.
"""

import asyncio
import re
import sqlite3
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Self

from django.core.exceptions import SynchronousOnlyOperation
from django.db.backends.sqlite3 import base, operations


class Cursor(base.SQLiteCursorWrapper):
    """One cursor that does the work of two of Django's: it runs statements, and raises Django's errors.

    It turns the placeholders of each statement into SQLite's once, and remembers which tables are written to.
    """

    db: "DatabaseWrapper"

    def execute(self, query: str, params: Any = None) -> sqlite3.Cursor:
        """See Django's cursor."""
        self.db.validate_no_broken_transaction()
        try:
            if params is None or isinstance(params, Mapping):
                return super().execute(query, params)
            statement, table = _prepared(query)
            if table:
                self.db.written.add(table)
            return sqlite3.Cursor.execute(self, statement, params)
        except sqlite3.Error:
            with self.db.wrap_database_errors:
                raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


_WRITES = re.compile(r'(?:INSERT INTO|UPDATE|DELETE FROM) "(\w+)"')


@lru_cache(maxsize=5000)
def _prepared(query: str) -> tuple[str, str]:
    """Return a statement with question marks, and the table that it writes to, if any."""
    written = _WRITES.match(query)
    statement = base.FORMAT_QMARK_REGEX.sub("?", query).replace("%%", "%")
    return statement, written[1] if written else ""


class Operations(operations.DatabaseOperations):
    """Moments are stored as UTC without saying so, and always come as UTC."""

    def adapt_datetimefield_value(self, value: datetime | None) -> str | None:
        """See Django's operations."""
        if value is not None and value.tzinfo is UTC:
            return str(value.replace(tzinfo=None))
        adapted: str | None = super().adapt_datetimefield_value(value)
        return adapted


class DatabaseWrapper(base.DatabaseWrapper):
    """One connection for all simulated processes, which take turns and never pause within a transaction."""

    ops_class = Operations
    # Called with "before" and "after" around every commit; what it raises, the committing code sees.
    watch_commit: Callable[[str], None] = staticmethod(lambda _moment: None)

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        # The tables that were written to since somebody emptied this.
        self.written: set[str] = set()

    def cursor(self) -> Cursor:
        """See Django's wrapper."""
        if asyncio._get_running_loop() is not None:
            raise SynchronousOnlyOperation("The database is used on the event loop.")
        self.ensure_connection()
        return self.create_cursor()

    def create_cursor(self, name: str | None = None) -> Cursor:
        """See Django's wrapper."""
        cursor: Cursor = self.connection.cursor(factory=Cursor)
        cursor.db = self
        return cursor

    def _start_transaction_under_autocommit(self) -> None:
        self.connection.execute("BEGIN IMMEDIATE")

    def set_autocommit(self, autocommit: bool, **options: bool) -> None:
        """See Django's wrapper: SQLite's own is always on, and need not be set again after a transaction."""
        if autocommit and self.connection is not None and not self.run_commit_hooks_on_set_autocommit_on:
            self.validate_no_atomic_block()
            self.autocommit = True
        else:
            super().set_autocommit(autocommit, **options)

    def _commit(self) -> None:
        if self.connection is None:
            return
        try:
            self.watch_commit("before")
        except BaseException:
            # Leaving the transaction to the caller would commit it: sqlite3 does when autocommit comes back.
            self.connection.rollback()
            raise
        super()._commit()
        self.watch_commit("after")


class Template:
    """The rows of a fresh installation. Everything else goes when it is restored."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        tables = connection.execute(
            "SELECT name FROM sqlite_master WHERE type = 'table' AND name LIKE 'checkout\\_%' ESCAPE '\\'"
        ).fetchall()
        kept = {name: connection.execute(f"SELECT * FROM {name}").fetchall() for (name,) in tables}
        self._statements: list[tuple[str, list[tuple[object, ...]]]] = [
            *((f"DELETE FROM {name}", [()]) for name in kept),
            *(
                (f"INSERT INTO {name} VALUES ({', '.join('?' * len(rows[0]))})", rows)
                for name, rows in kept.items()
                if rows
            ),
            ("UPDATE sqlite_sequence SET seq = 0", [()]),
        ]

    def restore(self) -> None:
        """Put everything back."""
        self._connection.execute("PRAGMA foreign_keys = OFF")
        self._connection.execute("BEGIN")
        for statement, parameters in self._statements:
            self._connection.executemany(statement, parameters)
        self._connection.execute("COMMIT")
        self._connection.execute("PRAGMA foreign_keys = ON")
