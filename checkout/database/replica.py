"""The replica: a standby of the default database, used for lists in the back office only."""

from dataclasses import dataclass
from math import inf, isinf

from django.db import DEFAULT_DB_ALIAS, DatabaseError, InterfaceError, connections

from checkout.conf import conf
from checkout.database.owners import REPLICA
from messaging.concurrency.database import note_failure

WRITTEN = "SELECT pg_current_wal_lsn()::text"
REPLAYED = """
    SELECT pg_is_in_recovery(), pg_last_wal_replay_lsn() >= %s::pg_lsn,
           extract(epoch FROM clock_timestamp() - pg_last_xact_replay_timestamp())"""


@dataclass(frozen=True, slots=True)
class Source:
    """The database from which to read a list. ``note`` tells the reader which database that is, and why."""

    database: str
    note: str


def is_configured() -> bool:
    """Return True if there is a replica."""
    return REPLICA in connections.settings


def instead(error: Exception) -> Source:
    """Return the primary, because the replica failed with ``error``."""
    note_failure(error)
    return Source(DEFAULT_DB_ALIAS, "The replica cannot be reached, so this list is from the primary.")


def source() -> Source:
    """Return the replica if it can be reached and is not too far behind; otherwise the primary.

    Raises ``OperationalError`` or ``InterfaceError`` if the primary cannot be reached.
    """
    with connections[DEFAULT_DB_ALIAS].cursor() as cursor:
        cursor.execute(WRITTEN)
        [written] = cursor.fetchone()
    try:
        lag = lag_seconds(written)
    except (DatabaseError, InterfaceError) as error:
        return instead(error)
    return source_by(lag)


def source_by(lag: float | None) -> Source:
    """Return the database to read from. ``lag`` is the result of ``lag_seconds``."""
    if lag is None:
        return Source(DEFAULT_DB_ALIAS, "The replica is no standby now, so this list is from the primary.")
    if isinf(lag):
        return Source(
            DEFAULT_DB_ALIAS, "The replica has not caught up yet, so this list is from the primary."
        )
    if lag > conf.replica_lag_seconds:
        note = f"The replica is {lag:.0f} seconds behind, so this list is from the primary."
        return Source(DEFAULT_DB_ALIAS, note)
    return Source(REPLICA, f"This list is from the replica, which is {lag:.0f} seconds behind.")


def lag_seconds(written: str) -> float | None:
    """Return the largest possible lag in seconds behind a position in the log; None without a standby.

    The lag is infinite if the replica is behind and has replayed no transaction yet, for example because it
    is new. A replica that has replayed up to the position has no lag, however old its last transaction is.
    Raises ``DatabaseError`` or ``InterfaceError`` if the replica cannot be reached.
    """
    with connections[REPLICA].cursor() as cursor:
        cursor.execute(REPLAYED, [written])
        is_standby, has_all, age = cursor.fetchone()
    if not is_standby:
        return None
    return 0.0 if has_all else inf if age is None else float(age)
