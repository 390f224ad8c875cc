"""A connection to the one PostgreSQL server that can be written to, as long as it can be."""

from typing import TypeVar

import psycopg
from psycopg.abc import PQGen

from checkout.database.bounded_connection import BoundedConnection
from messaging.concurrency.database import REFUSAL, can_only_be_read

R = TypeVar("R")


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
        if can_only_be_read(self):
            self.pgconn.finish()
            raise psycopg.OperationalError(REFUSAL)
        return result
