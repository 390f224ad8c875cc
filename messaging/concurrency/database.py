"""Database work for code on an event loop: in a bounded pool of threads, connection returned before the end.

Django keeps connections per thread, and asgiref runs what has no request in one thread for the whole process.
A pool of our own bounds both threads and connections, and a caller that waits for something else afterwards
holds neither. How long a thread may wait for the database is for ``bounded_connection.py`` to say.
"""

import asyncio
import contextvars
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cache, partial
from typing import ParamSpec, TypeVar

from django.db import InterfaceError, OperationalError, close_old_connections, connection, reset_queries

from messaging.conf import conf

P = ParamSpec("P")
R = TypeVar("R")


# How long work may wait for a free thread: all are busy for longer only when the database does not answer.
QUEUE_SECONDS = 5.0


async def in_thread(function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """Run ``function`` in a database thread. Cancelling the wait does not stop it.

    Raises ``OperationalError``, without having begun, when no thread is free for ``QUEUE_SECONDS``.
    """
    job = _submit(_pool(), partial(function, *args, **kwargs))
    # Has no effect on a job that has begun.
    giving_up = asyncio.get_running_loop().call_later(QUEUE_SECONDS, job.cancel)
    try:
        # Shielded: a job that still waits for a thread is not to be forgotten either.
        return await asyncio.shield(asyncio.wrap_future(job))
    except asyncio.CancelledError:
        task = asyncio.current_task()
        if task is None or task.cancelling():
            raise
        raise OperationalError("every database thread waits for the database") from None
    finally:
        giving_up.cancel()


async def run_in(executor: ThreadPoolExecutor, function: Callable[[], R]) -> R:
    """Run ``function`` in a thread of ``executor`` with the caller's context variables."""
    return await asyncio.wrap_future(_submit(executor, function))


def _submit(executor: ThreadPoolExecutor, function: Callable[[], R]) -> "Future[R]":
    return executor.submit(contextvars.copy_context().run, _with_connection_returned, function)


def _with_connection_returned(function: Callable[[], R]) -> R:
    close_old_connections()
    # With DEBUG on, Django keeps every statement, and forgets them only when a request begins.
    reset_queries()
    try:
        return function()
    except (OperationalError, InterfaceError):
        drop_dead_connections()
        raise
    finally:
        close_old_connections()


def drop_dead_connections() -> None:
    """Look at the idle connections after one has failed: a restart of the database ends all of them at once.

    Otherwise each of them would fail somebody else, perhaps hours later.
    """
    idle = getattr(connection, "pool", None)  # only PostgreSQL's
    if idle is not None and not idle.closed:  # as it is before its first use
        idle.check()


def close_connections() -> None:
    """Close the pool of connections: when it ends, Python 3.13 waits 5 s for each thread of an open one."""
    close_pool = getattr(connection, "close_pool", None)  # only PostgreSQL's
    if close_pool is not None:
        close_pool()


@cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(conf.database_threads, thread_name_prefix="database")
