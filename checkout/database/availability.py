"""The reason why a database is unavailable, and a check for SQLite files that connecting would create."""

from pathlib import Path

from django.db import DatabaseError, InterfaceError, connections

MOST_LETTERS = 300


def reason_of(database: str, error: DatabaseError | InterfaceError) -> str:
    """Return in one line why a database was not reached.

    A pool only reports that it had no connection in time. Therefore the function tries to connect without the
    pool.
    """
    connection = connections[database]
    if connection.vendor == "postgresql":
        from psycopg import Error, connect
        from psycopg_pool import PoolTimeout

        if isinstance(error.__cause__, PoolTimeout):
            try:
                connect(**connection.get_connection_params()).close()
            except Error as reason:
                return _in_one_line(reason)
    return _in_one_line(error)


def file_of(database: str) -> Path | None:
    """Return the file of an SQLite database; None for other databases and those in memory."""
    connection = connections[database]
    if connection.vendor != "sqlite" or connection.is_in_memory_db():  # type: ignore[attr-defined]  # of SQLite
        return None
    return Path(connection.settings_dict["NAME"]).resolve()


def missing_file(database: str) -> Path | None:
    """Return the file of an SQLite database if it does not exist; otherwise None.

    Connecting would create it.
    """
    file = file_of(database)
    return file if file is not None and not file.exists() else None


def _in_one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:MOST_LETTERS]
