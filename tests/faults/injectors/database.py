"""Faults of PostgreSQL: restarted without warning, cut off, out of connections, migrated while in use."""

import asyncio
import contextlib

import psycopg

from tests.faults.injectors.storm import Storm

SILENCE_SECONDS = 6
EXHAUSTED_SECONDS = 5
MORE_THAN_THERE_ARE = 400


async def crash_and_restart(storm: Storm) -> str:
    await asyncio.to_thread(storm.site.postgresql.crash)
    await asyncio.to_thread(storm.site.postgresql.start)
    return "PostgreSQL shut down immediately and started again"


async def exhaust_connections(storm: Storm) -> str:
    taken: list[psycopg.Connection[object]] = []

    def take() -> None:
        with contextlib.suppress(psycopg.OperationalError):
            for _ in range(MORE_THAN_THERE_ARE):
                taken.append(psycopg.connect(storm.site.stack.database_url))

    try:
        await asyncio.to_thread(take)
        await storm.last(EXHAUSTED_SECONDS)
    finally:
        for connection in taken:
            connection.close()
    return f"all connections of PostgreSQL taken, {len(taken)} of them"


async def cut(storm: Storm) -> str:
    storm.site.database_link.cut()
    return "link to PostgreSQL cut"


async def silence(storm: Storm) -> str:
    link = storm.site.database_link
    link.hold()
    try:
        await storm.last(SILENCE_SECONDS)
    finally:
        arrives = storm.random.random() < 0.5
        link.let_go() if arrives else link.cut()
    return f"link to PostgreSQL silent, then {'let go' if arrives else 'cut'}"


async def forget_clients(storm: Storm) -> str:
    storm.site.database_link.forget_servers()
    return "PostgreSQL's end of the links gone, unknown to its clients"


async def migrate(storm: Storm) -> str:
    """Add a column and drop it again, as a migration to the next version would while this one runs."""
    for statement in (
        "ALTER TABLE payments_payment ADD COLUMN IF NOT EXISTS of_the_next_version text NULL",
        "ALTER TABLE payments_payment DROP COLUMN IF EXISTS of_the_next_version",
    ):
        # Wait for the lock only briefly, and try again: other queries queue up behind a waiting ALTER.
        for _ in range(50):
            with contextlib.suppress(psycopg.errors.LockNotAvailable):
                await asyncio.to_thread(_alter, storm, statement)
                break
            await asyncio.sleep(0.1)
    return "a column added to the payments and dropped again"


def _alter(storm: Storm, statement: str) -> None:
    with psycopg.connect(storm.site.stack.database_url, autocommit=True) as connection:
        connection.execute("SET lock_timeout = '200ms'")
        connection.execute(statement.encode())
