"""LISTEN and NOTIFY: wake relays when a message has been written for them, if the database supports it.

A notification is only a hint. If it is lost, or on other databases, the relay finds the row when it polls.
"""

import asyncio
from collections.abc import Mapping
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

# Django's parameters that suit only its own, synchronous kind of connection.
_OF_DJANGO = ("context", "cursor_factory")


def wake_relays(model: type[models.Model], database: str = DEFAULT_DB_ALIAS) -> None:
    """Wake every relay of ``model`` in ``database`` when the current transaction there has been committed.

    NOTIFY is a statement of its own, because transactions that notify commit one after the other, each under
    a lock that it holds until its commit is on disk (PostgreSQL, ``src/backend/commands/async.c``,
    PreCommit_Notify). A transaction with nothing else in it has nothing to write there.
    """
    if connections[database].vendor == "postgresql":
        transaction.on_commit(lambda: _notify(database, model), using=database, robust=True)


def _notify(database: str, model: type[models.Model]) -> None:
    connection = connections[database]
    with connection.cursor() as cursor:
        cursor.execute(f"NOTIFY {connection.ops.quote_name(model._meta.db_table)}")


async def listen(model: type[models.Model], woken: asyncio.Event, database: str = DEFAULT_DB_ALIAS) -> None:
    """Set ``woken`` at every wake-up, until cancelled. Return at once if the database has no LISTEN.

    Uses a connection of its own, outside any pool, and makes a new one whenever that is lost.
    """
    connection = connections[database]
    if connection.vendor != "postgresql":
        return
    parameters = {
        name: value for name, value in connection.get_connection_params().items() if name not in _OF_DJANGO
    }
    channel = connection.ops.quote_name(model._meta.db_table)
    while True:
        try:
            await _listen_once(parameters, channel, woken)
        except (psycopg.Error, OSError) as error:
            # TimeoutError is an OSError.
            log.info("relay is not woken for now, it polls", reason=str(error) or type(error).__name__)
        await asyncio.sleep(RETRY_SECONDS)


async def _listen_once(parameters: Mapping[str, Any], channel: str, woken: asyncio.Event) -> None:
    with sockets_freed():
        async with asyncio.timeout(ANSWER_SECONDS):
            connection = await psycopg.AsyncConnection.connect(**parameters, autocommit=True)
    async with connection:
        while True:
            async with asyncio.timeout(ANSWER_SECONDS):
                # The first LISTEN subscribes; each repetition checks that the connection is alive.
                await connection.execute(f"LISTEN {channel}")
            if can_only_be_read(connection):
                # Nothing is written to it any more. A new connection leads to the primary.
                raise psycopg.OperationalError(REFUSAL)
            # Messages that were written while nothing listened have to be looked for.
            woken.set()
            async for _ in connection.notifies(timeout=CHECK_SECONDS):
                woken.set()
