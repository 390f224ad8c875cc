"""Database work for code on an event loop: in a bounded pool of threads, connection returned before the end.

Django keeps connections per thread, and asgiref runs what has no request in one thread for the whole process.
A pool of our own bounds both threads and connections, and a caller that waits for something else afterwards
holds neither.
"""

import asyncio
import contextvars
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache, partial
from typing import ParamSpec, TypeVar

from django.db import close_old_connections

from checkout.conf import conf

P = ParamSpec("P")
R = TypeVar("R")


async def in_thread(function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """Run ``function`` in a database thread. Cancelling the wait does not stop it."""
    return await run_in(_pool(), partial(function, *args, **kwargs))


async def run_in(executor: ThreadPoolExecutor, function: Callable[[], R]) -> R:
    """Run ``function`` in a thread of ``executor`` with the caller's context variables."""
    context = contextvars.copy_context()
    loop = asyncio.get_running_loop()
    return await loop.run_in_executor(executor, context.run, _with_connection_returned, function)


def _with_connection_returned(function: Callable[[], R]) -> R:
    close_old_connections()
    try:
        return function()
    finally:
        close_old_connections()


@cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(conf.database_threads, thread_name_prefix="database")
