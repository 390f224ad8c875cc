"""Database work for code on an event loop: in a bounded pool of threads that give back their connections.

Django keeps connections per thread, and asgiref runs all work without a request in one thread for the whole
process. This pool bounds both threads and connections. A caller that waits for something else holds neither.
How long a thread may wait for the database is limited by its connection.
"""

import asyncio
import contextvars
import math
import re
import time
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache, partial
from typing import Any, ParamSpec, TypeVar

import psycopg
import structlog
from django.db import (
    DEFAULT_DB_ALIAS,
    Error,
    InterfaceError,
    OperationalError,
    close_old_connections,
    connections,
    reset_queries,
)
from psycopg_pool import PoolTimeout

from messaging.conf import conf
from messaging.logs.outage import Outage

log = structlog.get_logger(__name__)

P = ParamSpec("P")
R = TypeVar("R")


# The time that work may wait for a free thread. All threads are busy for longer only if the database does not
# answer.
QUEUE_SECONDS = 5.0
# SQLSTATEs with which a server ends a connection: those of class 08, and an intervention such as a shutdown.
LOST = ("08", "57P")
# The settings by which a server reports that it refuses writes, since PostgreSQL 14: as a standby, and as a
# former primary that was fenced. The report comes with the answer to the next statement.
REFUSES_WRITES = (b"in_hot_standby", b"default_transaction_read_only")
REFUSAL = (
    "The server can only be read: it is a standby, or was fenced. Another one may be the primary by now."
)
# SQLite's errors for a statement that does not fit the tables. A database that is away raises the same class.
_MISTAKE = re.compile(r"no such (table|column)|table \S+ has no column")
# PostgreSQL's errors (Appendix A of its manual) of a transaction that it has rolled back because others were
# in its way: serialization_failure, deadlock_detected, lock_not_available, and query_canceled, by which a
# statement ends that has taken longer than `statement_timeout`.
_BUSY = frozenset(("40001", "40P01", "55P03", "57014"))

_outages: dict[str, Outage] = {}
# When and why the last attempt to connect to a server failed. A pool only says that it had no connection.
_last_refusal = (-math.inf, "")
RECENT_SECONDS = 10.0


async def in_thread(function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """Run ``function`` in a database thread. Cancelling the wait does not stop it.

    Raises ``OperationalError``, without starting ``function``, if no thread is free for ``QUEUE_SECONDS``.
    """
    job = _submit(_pool(), partial(function, *args, **kwargs))
    result = asyncio.wrap_future(job)
    # This has no effect on a job that has begun.
    giving_up = asyncio.get_running_loop().call_later(QUEUE_SECONDS, job.cancel)
    try:
        # Shielded, so that a cancelled caller does not cancel a job that is still waiting for a thread.
        return await asyncio.shield(result)
    except asyncio.CancelledError:
        task = asyncio.current_task()
        if task is None or task.cancelling():
            result.add_done_callback(_report_defect)
            raise
        raise OperationalError("every database thread waits for the database") from None
    finally:
        # If the caller was cancelled, the job still waits for a thread, and must not wait longer than this.
        if job.done():
            giving_up.cancel()


def _report_defect(result: "asyncio.Future[Any]") -> None:
    """Report an error after the caller has stopped waiting, unless the database is away.

    Otherwise asyncio would report every such error as an exception that was never retrieved.
    """
    if result.cancelled():
        return
    error = result.exception()
    if error is not None and not isinstance(error, (OperationalError, InterfaceError)):
        context = {"message": "work failed after its caller had left", "exception": error}
        result.get_loop().call_exception_handler(context)


async def run_in(executor: ThreadPoolExecutor, function: Callable[[], R]) -> R:
    """Run ``function`` in a thread of ``executor`` with the caller's context variables."""
    return await asyncio.wrap_future(_submit(executor, function))


def _submit(executor: ThreadPoolExecutor, function: Callable[[], R]) -> "Future[R]":
    return executor.submit(contextvars.copy_context().run, _with_connection_returned, function)


def _with_connection_returned(function: Callable[[], R]) -> R:
    close_old_connections()
    # With DEBUG on, Django records every statement, and clears the record only when a request begins.
    reset_queries()
    try:
        result = function()
        _note_answers()
        return result
    except (OperationalError, InterfaceError) as error:
        note_failure(error)
        raise
    finally:
        close_old_connections()


def is_mistake(error: BaseException) -> bool:
    """Return True if the database lacks a table or column, because a migration is missing."""
    return _MISTAKE.match(str(error)) is not None


def is_busy(error: BaseException) -> bool:
    """Return True if the database rolled the transaction back for a lock, a conflict or a time limit."""
    return getattr(error.__cause__, "sqlstate", None) in _BUSY


def is_away(error: BaseException) -> bool:
    """Return True if a database was not reached, or its connection was lost."""
    return isinstance(error, OperationalError | InterfaceError) and not (is_busy(error) or is_mistake(error))


def warn_unless_away(event: str, error: Error, **fields: object) -> None:
    """Log a warning about work that is tried again, unless the database is away: outages are logged apart."""
    if not is_away(error):
        log.warning(event, reason=repr(error), **fields)


def note_failure(error: BaseException) -> None:
    """Report the outage of a database that failed in this thread, and drop connections that are lost."""
    if not is_away(error):
        return
    failed = [each for each in connections.all(initialized_only=True) if each.errors_occurred]
    for alias in [each.alias for each in failed] or [DEFAULT_DB_ALIAS]:
        outage = _outages.setdefault(alias, Outage("database", database=alias))
        outage.failed(partial(_reason_of, error))
    _drop_dead_connections(error)
    for each in failed:
        if each.connection is None:
            each.errors_occurred = False  # Otherwise it would seem to fail again with any other database.


def _note_answers() -> None:
    """Report that the databases to which this thread is connected have answered."""
    for connection in connections.all(initialized_only=True):
        outage = _outages.get(connection.alias)
        has_answered = connection.connection is not None and not connection.errors_occurred
        if outage is not None and outage.is_on and has_answered:
            outage.answered()


def _reason_of(error: BaseException) -> str:
    refused_at, refusal = _last_refusal
    is_of_pool = isinstance(error.__cause__, PoolTimeout)
    is_known = is_of_pool and time.monotonic() - refused_at < RECENT_SECONDS
    return " ".join((refusal if is_known else str(error)).split())


def tells_of_a_lost_connection(error: BaseException) -> bool:
    """Return True if a connection was lost, so that a transaction on it may have been committed or not.

    False for errors of a statement, and for those before any connection was there.
    """
    cause = error.__cause__
    if not isinstance(cause, psycopg.Error) or isinstance(cause, PoolTimeout):
        return False
    # An error that the client itself noticed has no SQLSTATE.
    return cause.sqlstate is None or cause.sqlstate.startswith(LOST)


@contextmanager
def sockets_freed() -> Iterator[None]:
    """Close the socket of an attempt to connect that fails in the block.

    In psycopg 3.3 the error refers to the frame that has the socket, and this frame to the error. Our
    processes rarely collect such reference cycles, so sockets would pile up during an outage.
    """
    global _last_refusal
    try:
        yield
    except psycopg.Error as error:
        _last_refusal = (time.monotonic(), str(error))
        traceback.clear_frames(error.__traceback__)
        raise


def _drop_dead_connections(error: BaseException) -> None:
    """Empty the pool of a connection of this thread if ``error`` says that it was lost.

    The other connections of the pool lead to the same server, which was restarted, is silent, or is no longer
    the primary. Each would fail a later caller, perhaps after hours, and one to a silent server would also
    keep that caller waiting. Connections in use are replaced when they are returned. Other databases keep
    their pools.
    """
    if not tells_of_a_lost_connection(error):
        return
    for connection in connections.all(initialized_only=True):
        pool = getattr(connection, "pool", None)  # Only PostgreSQL's connection has this attribute.
        if pool is not None and connection.errors_occurred:
            pool.drain()


def can_only_be_read(connection: psycopg.Connection[Any] | psycopg.AsyncConnection[Any]) -> bool:
    """Return True if the server of a connection has reported that it refuses writes."""
    return any(connection.pgconn.parameter_status(name) == b"on" for name in REFUSES_WRITES)


def close_connections() -> None:
    """Close the pools of connections. Python 3.13 waits 5 s at exit for each thread of a pool left open."""
    for connection in connections.all():
        close_pool = getattr(connection, "close_pool", None)  # PostgreSQL's connections only
        if close_pool is not None:
            close_pool()


@cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(conf.database_threads, thread_name_prefix="database")
