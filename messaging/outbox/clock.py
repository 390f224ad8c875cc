"""The database's clock, with which times in its tables are compared. The clocks of processes may differ."""

from datetime import datetime

from django.db import DEFAULT_DB_ALIAS, connections
from django.db.models.functions import Now
from django.utils import timezone


def server_time(database: str = DEFAULT_DB_ALIAS) -> datetime | Now:
    """Return the database server's time; with SQLite, that of the one machine that has the database."""
    return Now() if connections[database].vendor == "postgresql" else timezone.now()


def server_time_now(database: str = DEFAULT_DB_ALIAS) -> datetime:
    """Ask the database server for its time, for comparisons in Python."""
    connection = connections[database]
    if connection.vendor != "postgresql":
        return timezone.now()
    with connection.cursor() as cursor:
        cursor.execute("SELECT STATEMENT_TIMESTAMP()")
        at: datetime = cursor.fetchone()[0]
    return at
