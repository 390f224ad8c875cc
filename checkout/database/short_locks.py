"""Migrations that wait only briefly for locks, so that other statements do not wait long behind them.

A statement that alters a table waits until every transaction that has used the table has ended, and all later
statements on the table, even reads, wait behind it. One long report would stop all payments for minutes.
Therefore each wait is short, and the migration, which PostgreSQL has rolled back, is tried again.
"""

import time
from collections.abc import Callable

from django.core.management.base import CommandError
from django.db import OperationalError
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.migrations.recorder import MigrationRecorder

LOCK_SECONDS = 1
PAUSE_SECONDS = 2.0
PATIENCE_SECONDS = 600.0
# PostgreSQL's error code for a lock that was not granted in time (Appendix A of its manual).
LOCK_NOT_AVAILABLE = "55P03"
OCCUPIED = (
    "Another transaction has used a table for {minutes:.0f} minutes, so it cannot be altered. The migrations "
    "before this one are applied. Find the transaction in pg_stat_activity by its xact_start, let it end, "
    "and run the command again. PostgreSQL says: {error}"
)


def with_short_locks(
    connection: BaseDatabaseWrapper, migrate: Callable[[], object], tell: Callable[[str], object]
) -> None:
    """Call `migrate`. If it cannot get a lock, call `tell` with a message for the operator, and try again.

    Raises CommandError if a migration cannot get its lock for ten minutes.
    """
    if connection.vendor != "postgresql":
        migrate()
        return
    applied, deadline = -1, 0.0
    with connection.cursor() as cursor:
        cursor.execute(f"SET lock_timeout = '{LOCK_SECONDS}s'")
    try:
        while True:
            try:
                migrate()
                return
            except OperationalError as error:
                if getattr(error.__cause__, "sqlstate", None) != LOCK_NOT_AVAILABLE:
                    raise
                if (now_applied := len(MigrationRecorder(connection).applied_migrations())) != applied:
                    applied, deadline = now_applied, time.monotonic() + PATIENCE_SECONDS
                if time.monotonic() > deadline:
                    raise CommandError(OCCUPIED.format(minutes=PATIENCE_SECONDS / 60, error=error)) from error
                tell(f"A table is in use, so the migration is tried again in {PAUSE_SECONDS:g} s.")
                time.sleep(PAUSE_SECONDS)
    finally:
        if connection.connection is not None and not connection.connection.closed:
            with connection.cursor() as cursor:
                cursor.execute("RESET lock_timeout")
