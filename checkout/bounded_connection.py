"""A PostgreSQL connection on which nothing is waited for without end.

The server's ``statement_timeout`` ends what takes too long while the server is there to end it. A server that
has been halted, or a connection pooler that has lost it, keeps the socket open and acknowledges every packet:
TCP sees nothing wrong, and libpq would wait for ever, with a thread and perhaps somebody's lock.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import psycopg
from psycopg.abc import PQGen
from psycopg.pq import TransactionStatus

from checkout.conf import conf

R = TypeVar("R")

# What the server gets to report its own time-out before the connection is given up.
GRACE_SECONDS = 2.0


class BoundedConnection(psycopg.Connection[Any]):
    """Closes itself when an answer has not come in time; what was asked may have been carried out.

    And when what it has prepared does not fit the tables any more.
    """

    _is_bounded = True

    @contextmanager
    def without_time_limit(self) -> Iterator[None]:
        """Let the statements of the block take as long as they need, here and at the server.

        For a migration that builds an index. If the block fails, the connection is not used again.
        """
        self.execute("SET statement_timeout = 0")
        self._is_bounded = False
        yield
        self._is_bounded = True
        self.execute("RESET statement_timeout")

    def wait(self, gen: PQGen[R], interval: float = 0.1, timeout: float | None = None) -> R:
        """See ``psycopg.Connection``. Raises ``psycopg.OperationalError`` after ``conf.database_seconds``."""
        if timeout is None and self._is_bounded and conf.database_seconds:
            timeout = conf.database_seconds + GRACE_SECONDS
        try:
            return super().wait(gen, interval, timeout)
        except psycopg.OperationalError:
            if self.pgconn.transaction_status == TransactionStatus.ACTIVE:
                self.pgconn.finish()
            raise
        except psycopg.errors.FeatureNotSupported:
            # A prepared statement whose table a migration has altered: it would fail whoever comes next, too.
            self.pgconn.finish()
            raise
