"""The database's clock, for comparisons with times in tables: the clocks of processes may differ."""

from datetime import datetime
from math import inf
from typing import Any

from django.db import DEFAULT_DB_ALIAS, connections
from django.db.models import QuerySet, Value
from django.db.models.functions import Now
from django.utils import timezone


def server_time(database: str = DEFAULT_DB_ALIAS) -> datetime | Now:
    """Return an expression for the database server's time; with SQLite, that of the local machine."""
    return Now() if connections[database].vendor == "postgresql" else timezone.now()


def seconds_until(rows: QuerySet[Any], by: str) -> float:
    """Return the seconds until the earliest time in an indexed column; infinity if there is no row.

    Without the ORDER BY, a prepared statement would read the whole table.
    """
    clock = server_time(rows.db)
    now = clock if isinstance(clock, Now) else Value(clock)
    dated = rows.filter(**{f"{by}__isnull": False}).order_by(by)
    first = dated.annotate(at=now).values_list(by, "at").first()
    return inf if first is None else float((first[0] - first[1]).total_seconds())


def server_time_now(database: str = DEFAULT_DB_ALIAS) -> datetime:
    """Return the time of the database server, for comparisons in Python."""
    connection = connections[database]
    if connection.vendor != "postgresql":
        return timezone.now()
    with connection.cursor() as cursor:
        cursor.execute("SELECT STATEMENT_TIMESTAMP()")
        at: datetime = cursor.fetchone()[0]
    return at
