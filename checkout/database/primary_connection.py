"""A connection to the one PostgreSQL server that can be written to, as long as it can be."""

from typing import TypeVar

import psycopg
from psycopg.abc import PQGen

from checkout.database.bounded_connection import BoundedConnection

R = TypeVar("R")

# The settings by which a server reports that it refuses writes, since PostgreSQL 14: as a standby, and as a
# former primary that was fenced. The report comes with the answer to the next statement.
REFUSES_WRITES = (b"in_hot_standby", b"default_transaction_read_only")
REFUSAL = (
    "The server can only be read: it is a standby, or was fenced. Another one may be the primary by now."
)


class PrimaryConnection(BoundedConnection):
    """A connection that closes itself if its server can only be read, for example after a failover.

    Otherwise a pool would keep it: each write would fail, and each read be answered with old data.
    """

    def wait(self, gen: PQGen[R], interval: float = 0.1, timeout: float | None = None) -> R:
        """See ``BoundedConnection``. Raises ``psycopg.OperationalError`` if the server can only be read."""
        try:
            result = super().wait(gen, interval, timeout)
        except psycopg.errors.ReadOnlySqlTransaction as error:
            self.pgconn.finish()
            raise psycopg.OperationalError(REFUSAL) from error
        if any(self.pgconn.parameter_status(name) == b"on" for name in REFUSES_WRITES):
            self.pgconn.finish()
            raise psycopg.OperationalError(REFUSAL)
        return result
