"""The one clock by which rows of an outbox are due, independent of the clocks of processes."""

from datetime import datetime

from django.db import connections
from django.db.models.functions import Now
from django.utils import timezone


def server_time(database: str) -> datetime | Now:
    """Return the database server's time; with SQLite, that of the one machine that has the database."""
    return Now() if connections[database].vendor == "postgresql" else timezone.now()
