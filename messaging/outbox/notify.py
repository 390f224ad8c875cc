"""LISTEN and NOTIFY: wake relays when a message has been written for them, if the database supports it.

A notification is only a hint. If it is lost, or on other databases, the relay finds the row when it polls.
While the connection for notifications works, and none has come for a few seconds, the relay polls seldom.
"""

import asyncio
from collections.abc import Mapping
from math import inf
from time import monotonic
from typing import Any

import psycopg
import structlog
from django.db import DEFAULT_DB_ALIAS, connections, models, transaction

from messaging.concurrency.database import REFUSAL, can_only_be_read, sockets_freed

log = structlog.get_logger(__name__)

# The interval between checks of the connection, and the time that a check may take.
CHECK_SECONDS = 15.0
ANSWER_SECONDS = 5.0
RETRY_SECONDS = 1.0

# While nothing happens, the time between polls grows by this factor, up to this many seconds.
TIMES_AS_FAR = 10
FARTHEST_SECONDS = 5.0
# A relay polls often for this long after a notification or a row.
QUICK_SECONDS = 3.0
# The shortest time between two notifications of one process about rows that polling would find.
RING_SECONDS = 2.0

# Parameters of Django that only fit its own, synchronous kind of connection.
_OF_DJANGO = ("context", "cursor_factory")


class Bell(asyncio.Event):
    """An event that is set by notifications about a table, and by each check of their connection.

    It ``is_heard`` while the connection works. ``rings`` counts the notifications.
    """

    is_heard = False
    rings = 0


def pause_seconds(due_in: float, poll_seconds: float) -> float:
    """Return the seconds until the next poll, if the earliest row is due in ``due_in`` seconds.

    A row that is written meanwhile is due after that poll, or wakes the relay.
    """
    seldom = max(poll_seconds, min(TIMES_AS_FAR * poll_seconds, FARTHEST_SECONDS))
    return min(max(due_in, poll_seconds), seldom)


def must_ring(delay_seconds: float | None) -> bool:
    """Return True if relays must be woken for a row with this delay: seldom polls could be too late."""
    return delay_seconds is not None and delay_seconds < FARTHEST_SECONDS


_rung: dict[str, float] = {}


def ring_now_and_then(model: type[models.Model]) -> None:
    """Wake relays after the commit, so that they poll often for a while; once in ``RING_SECONDS`` at most."""
    if connections[DEFAULT_DB_ALIAS].vendor == "postgresql":
        transaction.on_commit(lambda: _ring_if_due(model), robust=True)


def _ring_if_due(model: type[models.Model]) -> None:
    table, now = model._meta.db_table, monotonic()
    if now - _rung.get(table, -inf) >= RING_SECONDS:
        _rung[table] = now
        _notify(DEFAULT_DB_ALIAS, model)


def wake_relays(model: type[models.Model], database: str = DEFAULT_DB_ALIAS) -> None:
    """Wake every relay of ``model`` in ``database`` when the current transaction there has been committed.

    NOTIFY is sent in a transaction of its own. Transactions with NOTIFY commit one after the other, each
    under a lock that it holds until its commit is on disk (PostgreSQL, ``src/backend/commands/async.c``,
    PreCommit_Notify); one that contains nothing else has nothing to write to disk.
    """
    if connections[database].vendor == "postgresql":
        transaction.on_commit(lambda: _notify(database, model), using=database, robust=True)


def _notify(database: str, model: type[models.Model]) -> None:
    connection = connections[database]
    with connection.cursor() as cursor:
        cursor.execute(f"NOTIFY {connection.ops.quote_name(model._meta.db_table)}")


async def listen(model: type[models.Model], bell: Bell, database: str = DEFAULT_DB_ALIAS) -> None:
    """Set ``bell`` at every wake-up, until cancelled. Return at once if the database has no LISTEN.

    Uses a connection of its own, outside any pool, and makes a new one whenever it is lost.
    """
    connection = connections[database]
    if connection.vendor != "postgresql":
        return
    parameters = {
        name: value for name, value in connection.get_connection_params().items() if name not in _OF_DJANGO
    }
    channel = connection.ops.quote_name(model._meta.db_table)
    is_said = False
    while True:
        try:
            await _listen_once(parameters, channel, bell)
        except (psycopg.Error, OSError) as error:
            if bell.is_heard or not is_said:
                # TimeoutError is an OSError.
                log.info("relay is not woken for now, it polls", reason=str(error) or type(error).__name__)
                is_said = True
        finally:
            bell.is_heard = False
        await asyncio.sleep(RETRY_SECONDS)


async def _listen_once(parameters: Mapping[str, Any], channel: str, bell: Bell) -> None:
    with sockets_freed():
        async with asyncio.timeout(ANSWER_SECONDS):
            connection = await psycopg.AsyncConnection.connect(**parameters, autocommit=True)
    async with connection:
        while True:
            async with asyncio.timeout(ANSWER_SECONDS):
                # The first LISTEN subscribes; each repetition checks that the connection is alive.
                await connection.execute(f"LISTEN {channel}")
            if can_only_be_read(connection):
                # This server is not written to any more. A new connection leads to the primary.
                raise psycopg.OperationalError(REFUSAL)
            # A notification may have been lost before or during the check, so the relay looks for messages.
            bell.is_heard = True
            bell.set()
            async for _ in connection.notifies(timeout=CHECK_SECONDS):
                bell.rings += 1
                bell.set()
