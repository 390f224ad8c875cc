"""The engine: commits are watched, and everything can be put back to how it was at first."""

import sqlite3
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

from django.db.backends.sqlite3 import base


class Cursor(base.SQLiteCursorWrapper):
    """Turns the placeholders of each statement into SQLite's once."""

    def execute(self, query: str, params: Any = None) -> sqlite3.Cursor:
        """See SQLiteCursorWrapper."""
        if params is None or isinstance(params, Mapping):
            return super().execute(query, params)
        return sqlite3.Cursor.execute(self, _with_question_marks(query), params)


@lru_cache(maxsize=5000)
def _with_question_marks(query: str) -> str:
    return base.FORMAT_QMARK_REGEX.sub("?", query).replace("%%", "%")


class DatabaseWrapper(base.DatabaseWrapper):
    """One connection for all simulated processes, which take turns and never pause within a transaction."""

    # Called with "before" and "after" around every commit; what it raises, the committing code sees.
    watch_commit: Callable[[str], None] = staticmethod(lambda _moment: None)

    def create_cursor(self, name: str | None = None) -> Cursor:
        """See Django's wrapper."""
        return self.connection.cursor(factory=Cursor)

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
