"""A PostgreSQL connection on which no wait is endless.

The server's ``statement_timeout`` ends slow statements while the server is there. A server that has been
halted, or a connection pooler that has lost its server, keeps the socket open and acknowledges every packet.
TCP sees nothing wrong, and libpq would wait for ever, holding a thread and perhaps locks.
"""

import select
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Self, TypeVar, cast

import psycopg
from django.db.backends.base.base import BaseDatabaseWrapper
from psycopg.abc import PQGen
from psycopg.pq import TransactionStatus
from psycopg_pool import ConnectionPool

from checkout.conf import conf
from messaging.concurrency.database import sockets_freed

R = TypeVar("R")

# The time that the server may take to report its own time-out before the connection is given up.
GRACE_SECONDS = 2.0


class BoundedConnection(psycopg.Connection[Any]):
    """A connection that closes itself if an answer is late; its statement may have been carried out.

    It also closes itself when a prepared statement does not fit its tables any more, and when its pool finds
    that it has ended while nobody used it.
    """

    _is_bounded = True

    @classmethod
    def connect(cls, conninfo: str = "", **options: Any) -> Self:
        """See ``psycopg.Connection``. A failed attempt leaves no socket behind."""
        with sockets_freed():
            return super().connect(conninfo, **options)

    def execute(self, query: Any, *arguments: Any, **options: Any) -> psycopg.Cursor[Any]:
        """See ``psycopg.Connection``. An empty statement is not sent, but raises if the connection has ended.

        The pool executes one before it lends a connection (``ConnectionPool.check_connection``). Sending it
        would cost every user a round trip, and the usual end of an idle connection can be seen from here.
        """
        if query == "":
            self._notice_end()
            return self.cursor()
        return super().execute(query, *arguments, **options)

    def _notice_end(self) -> None:
        """Read what has arrived meanwhile. Raises ``psycopg.OperationalError`` if the connection has ended.

        A server that is restarted, or has a limit on idle sessions, ends connections; so does a proxy.
        """
        arrived = select.poll()
        try:
            while True:
                arrived.register(self.pgconn.socket, select.POLLIN)
                if not arrived.poll(0):
                    return
                self.pgconn.consume_input()
        except psycopg.OperationalError:
            self.pgconn.finish()
            # Its siblings have probably ended as well, and the pool pauses before it tries a third one.
            if isinstance(self._pool, ConnectionPool):
                self._pool.drain()
            raise

    @contextmanager
    def without_time_limit(self) -> Iterator[None]:
        """Let the statements of the block take as long as they need, here and at the server.

        If the block fails, the connection is not used again.
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
        except psycopg.InternalError as error:
            # A server that has ended a transaction because our host had been halted reports it in this class.
            if self.closed:
                raise psycopg.OperationalError(f"the server has ended the connection: {error}") from error
            raise
        except psycopg.errors.FeatureNotSupported:
            # A migration has altered the table of a prepared statement, which would fail later users of the
            # connection, too.
            self.pgconn.finish()
            raise


@contextmanager
def without_time_limit(connection: BaseDatabaseWrapper) -> Iterator[None]:
    """Let the statements of the block on Django's ``connection`` to PostgreSQL take as long as they need."""
    connection.ensure_connection()
    # The settings name the connection's class.
    with cast(BoundedConnection, connection.connection).without_time_limit():
        yield
