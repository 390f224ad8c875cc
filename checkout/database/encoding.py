"""The encoding of a database, which must be UTF-8.

By default ``createdb`` uses the encoding of the cluster, which comes from the locale in which the cluster was
made. Without a locale it is SQL_ASCII, in which PostgreSQL cannot read JSON escapes. Latin-1 lacks most
letters.
"""

from typing import Any

NEEDED = "UTF8"


def wrong_encoding(connection: Any) -> str:
    """Return the database's encoding if it cannot store every text; "" if it can."""
    if connection.vendor != "postgresql":
        return ""  # SQLite always uses UTF-8 here
    with connection.cursor() as cursor:
        cursor.execute("SHOW server_encoding")
        [encoding] = cursor.fetchone()
    return "" if encoding == NEEDED else str(encoding)
