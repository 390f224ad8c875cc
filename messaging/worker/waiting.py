"""Waits of a worker, which end when it is to stop."""

import asyncio
import contextlib
import re

from messaging.broker import Broker

# SQLite's errors of a statement that does not fit the tables. It tells of them as of a database that is away.
_MISTAKE = re.compile(r"no such (table|column)|table \S+ has no column")

# PostgreSQL's errors (Appendix A of its manual) of a transaction that it has rolled back because others were
# in its way: serialization_failure, deadlock_detected, lock_not_available, and query_canceled, by which a
# statement ends that has taken longer than `statement_timeout`.
_BUSY = frozenset(("40001", "40P01", "55P03", "57014"))


def is_mistake(error: Exception) -> bool:
    """Return True if a database is there, and lacks a table or column: a migration is missing."""
    return _MISTAKE.match(str(error)) is not None


def is_busy(error: Exception) -> bool:
    """Return True if a database is there, and had no time for the transaction, or no lock."""
    return getattr(error.__cause__, "sqlstate", None) in _BUSY


async def until_stopped(stop: asyncio.Event, *, seconds: float) -> None:
    """Wait until ``stop`` is set, for ``seconds`` at most."""
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(stop.wait(), seconds)


async def until_connected(broker: Broker, stop: asyncio.Event, *, seconds: float) -> None:
    """Wait until the broker takes messages or ``stop`` is set, for ``seconds`` at most."""
    if broker.is_connected:
        return
    waits = {asyncio.ensure_future(broker.wait_connected()), asyncio.ensure_future(stop.wait())}
    await asyncio.wait(waits, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    for each in waits:
        each.cancel()
