"""A PostgreSQL connection on which no wait is endless.

The server's ``statement_timeout`` ends slow statements while the server is there. A halted server, or a
connection pooler that has lost its server, keeps the socket open and acknowledges every packet. TCP notices
nothing, and libpq would wait for ever, holding a thread and perhaps locks.
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

# The time for the server to report its own time-out, before this process gives the connection up.
GRACE_SECONDS = 2.0


class BoundedConnection(psycopg.Connection[Any]):
    """A connection that closes itself if an answer is late. The statement may have been carried out.

    It also closes itself when a prepared statement no longer fits the tables, and when the pool notices that
    the server has ended the idle connection.
    """

    _is_bounded = True

    @classmethod
    def connect(cls, conninfo: str = "", **options: Any) -> Self:
        """See ``psycopg.Connection``. A failed attempt leaves no socket behind."""
        with sockets_freed():
            return super().connect(conninfo, **options)

    def execute(self, query: Any, *arguments: Any, **options: Any) -> psycopg.Cursor[Any]:
        """See ``psycopg.Connection``. An empty statement is not sent, but raises if the connection has ended.

        The pool executes an empty statement before it lends a connection
        (``ConnectionPool.check_connection``). Sending it would cost a round trip each time, and the socket
        already shows if the server has ended the connection.
        """
        if query == "":
            self._notice_end()
            return self.cursor()
        return super().execute(query, *arguments, **options)

    def _notice_end(self) -> None:
        """Read messages that have arrived. Raises ``psycopg.OperationalError`` if the connection has ended.

        A server ends connections when it is restarted, or when sessions are idle for too long. Proxies also
        do so.
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
            # The pool's other connections have probably ended as well, and the pool pauses before it tries a
            # third one.
            if isinstance(self._pool, ConnectionPool):
                self._pool.drain()
            raise

    @contextmanager
    def without_time_limit(self) -> Iterator[None]:
        """Remove the time limit on statements within the block, in this process and at the server.

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
            # The server reports in this class of errors that it ended a transaction because our host had been
            # halted.
            if self.closed:
                raise psycopg.OperationalError(f"the server has ended the connection: {error}") from error
            raise
        except psycopg.errors.FeatureNotSupported:
            # A migration has altered a table of a prepared statement. Later users of the connection would get
            # the same error.
            self.pgconn.finish()
            raise


@contextmanager
def without_time_limit(connection: BaseDatabaseWrapper) -> Iterator[None]:
    """Remove the time limit on statements of Django's ``connection`` to PostgreSQL within the block."""
    connection.ensure_connection()
    # The cast is correct, because the settings choose this class of connections.
    with cast(BoundedConnection, connection.connection).without_time_limit():
        yield
