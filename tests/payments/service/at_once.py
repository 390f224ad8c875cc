"""Run functions concurrently, each in a thread with its own database connection."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from django.db import connection

T = TypeVar("T")


def at_once(*actions: Callable[[], T]) -> list[T]:
    """Start all functions together. Return their results, or raise the exception of one of them."""
    barrier = threading.Barrier(len(actions))

    def run(action: Callable[[], T]) -> T:
        try:
            barrier.wait(10)
            return action()
        finally:
            connection.close()

    with ThreadPoolExecutor(len(actions)) as pool:
        return list(pool.map(run, actions))
