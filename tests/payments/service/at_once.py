"""Run functions concurrently, each in a thread with its own database connection."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from django.db import OperationalError, connection, transaction
from django.db.models import Model

from tests.support.waiting import wait_until

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


def behind(
    first: Callable[[], T], second: Callable[[], T], *, at_last: Callable[[], object] = lambda: None
) -> list[T]:
    """Call ``second`` during the transaction of ``first``, and commit that when ``second`` waits for it.

    The first transaction calls ``at_last`` just before its commit, for example to change the row that it has
    locked. Return both results. If ``second`` waits for nothing, the test fails. Needs a database that locks
    rows.
    """
    begun = threading.Event()

    def hold() -> T:
        try:
            with transaction.atomic():
                result = first()
                begun.set()
                wait_until(somebody_waits_for_a_lock, "the second to wait for the first", seconds=20)
                at_last()
                return result
        finally:
            begun.set()

    def follow() -> T:
        assert begun.wait(20)
        return second()

    return at_once(hold, follow)


def beside(first: Callable[[], T], second: Callable[[], T]) -> list[T]:
    """Call ``second`` during the transaction of ``first``. If it waits for that one, the test fails.

    Return both results. Needs a database that locks rows.
    """

    def apart() -> T:
        with transaction.atomic():
            with connection.cursor() as cursor:
                cursor.execute("SET LOCAL lock_timeout = '5s'")
            return second()

    with transaction.atomic():
        return [first(), *at_once(apart)]


def is_locked(row: Model) -> bool:
    """Return True if another connection could not lock the row now."""

    def try_to_lock() -> bool:
        try:
            with transaction.atomic():
                type(row)._default_manager.select_for_update(nowait=True).get(pk=row.pk)
        except OperationalError:
            return True
        return False

    return at_once(try_to_lock)[0]


def somebody_waits_for_a_lock() -> bool:
    """Return True if a statement waits for a lock, in this database."""
    with connection.cursor() as cursor:
        # Within a transaction, all later looks would repeat the result of the first.
        cursor.execute("SELECT pg_stat_clear_snapshot()")
        cursor.execute(
            "SELECT EXISTS (SELECT 1 FROM pg_stat_activity"
            " WHERE datname = current_database() AND wait_event_type = 'Lock')"
        )
        return bool(cursor.fetchone()[0])
