"""The engine: it reports commits to a hook, and can restore the initial rows.

Most of Django's work around a statement is left out, because it is for other databases, debugging or threads.
The checks for likely errors of the product are kept: use of the database on the event loop, or in a broken
transaction.
"""

import asyncio
import re
import sqlite3
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import lru_cache, partial
from typing import Any, Self

from django.core.exceptions import SynchronousOnlyOperation
from django.db.backends.sqlite3 import base, operations

from tests.support.tables import our_models


class Cursor(base.SQLiteCursorWrapper):
    """A cursor that combines two of Django's: it runs statements, and raises Django's database errors.

    It calls the wrappers of statements, converts each statement's placeholders only once, and records the
    tables that are written to.
    """

    db: "DatabaseWrapper"

    def execute(self, query: str, params: Any = None) -> sqlite3.Cursor:
        """See Django's cursor."""
        wrappers = self.db.execute_wrappers
        if not wrappers:
            return self._execute(query, params)
        run = self._execute
        for wrapper in reversed(wrappers):
            run = partial(wrapper, run)
        return run(query, params, False, {"connection": self.db, "cursor": self})

    def _execute(self, query: str, params: Any = None, *_details: object) -> sqlite3.Cursor:
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


_WRITES = re.compile(r'(?:INSERT (?:OR IGNORE )?INTO|UPDATE|DELETE FROM) "(\w+)"')


@lru_cache(maxsize=5000)
def _prepared(query: str) -> tuple[str, str]:
    """Return the statement with question marks as placeholders, and the table it writes to, or ""."""
    written = _WRITES.match(query)
    statement = base.FORMAT_QMARK_REGEX.sub("?", query).replace("%%", "%")
    return statement, written[1] if written else ""


class Operations(operations.DatabaseOperations):
    """Operations that convert a datetime quickly: all are in UTC, so only the time zone is dropped."""

    def adapt_datetimefield_value(self, value: datetime | None) -> str | None:
        """See Django's operations."""
        if value is not None and value.tzinfo is UTC:
            return str(value.replace(tzinfo=None))
        adapted: str | None = super().adapt_datetimefield_value(value)
        return adapted


class DatabaseWrapper(base.DatabaseWrapper):
    """The one connection of all simulated processes. None of them pauses within a transaction."""

    ops_class = Operations
    # Called with "before" and "after" around every commit. An exception that it raises reaches the committing
    # code.
    watch_commit: Callable[[str], None] = staticmethod(lambda _moment: None)

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        # The tables that were written to since this set was last emptied.
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
        """See Django's wrapper. SQLite's autocommit stays on, so after a transaction only a flag is set."""
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
            # An open transaction would be committed, because sqlite3 does that when autocommit is turned on
            # again.
            self.connection.rollback()
            raise
        super()._commit()
        self.watch_commit("after")


class Template:
    """The rows of a fresh installation. ``restore`` deletes all other rows."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        tables = [model._meta.db_table for model in our_models()]
        kept = {name: connection.execute(f"SELECT * FROM {name}").fetchall() for name in tables}
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
        """Replace the contents of all tables by these rows."""
        self._connection.execute("PRAGMA foreign_keys = OFF")
        self._connection.execute("BEGIN")
        for statement, parameters in self._statements:
            self._connection.executemany(statement, parameters)
        self._connection.execute("COMMIT")
        self._connection.execute("PRAGMA foreign_keys = ON")
