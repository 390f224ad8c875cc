"""The clock that times in the database are compared with."""

from typing import Any

from django.db import connection
from django.db.models.functions import Now
from django.utils import timezone


def database_now() -> Any:
    """Return the time by the database's clock, as those of processes may differ. SQLite has no clock."""
    return Now() if connection.vendor == "postgresql" else timezone.now()
