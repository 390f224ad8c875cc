"""A connection that is closed if its PostgreSQL server can no longer be written to."""

from typing import TypeVar

import psycopg
from psycopg.abc import PQGen

from checkout.database.bounded_connection import BoundedConnection
from messaging.concurrency.database import REFUSAL, can_only_be_read

R = TypeVar("R")


class PrimaryConnection(BoundedConnection):
    """A connection that closes itself if its server has become read-only, for example after a failover.

    Otherwise the pool would keep it: each write would fail, and each read would return old data.
    """

    def wait(self, gen: PQGen[R], interval: float = 0.1, timeout: float | None = None) -> R:
        """See ``BoundedConnection``. Raises ``psycopg.OperationalError`` if the server is read-only."""
        try:
            result = super().wait(gen, interval, timeout)
        except psycopg.errors.ReadOnlySqlTransaction as error:
            self.pgconn.finish()
            raise psycopg.OperationalError(REFUSAL) from error
        if can_only_be_read(self):
            self.pgconn.finish()
            raise psycopg.OperationalError(REFUSAL)
        return result
