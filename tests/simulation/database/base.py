"""The engine: commits are watched, and everything can be put back to how it was at first."""

import sqlite3
from collections.abc import Callable

from django.db.backends.sqlite3 import base


class DatabaseWrapper(base.DatabaseWrapper):
    """One connection for all simulated processes, which take turns and never pause within a transaction."""

    # Called with "before" and "after" around every commit; what it raises, the committing code sees.
    watch_commit: Callable[[str], None] = staticmethod(lambda _moment: None)

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
        kept = {name: connection.execute(f"SELECT * FROM {name}").fetchall() for (name,) in tables}  # noqa: S608
        self._statements: list[tuple[str, list[tuple[object, ...]]]] = [
            *((f"DELETE FROM {name}", [()]) for name in kept),  # noqa: S608
            *(
                (f"INSERT INTO {name} VALUES ({', '.join('?' * len(rows[0]))})", rows)  # noqa: S608
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
