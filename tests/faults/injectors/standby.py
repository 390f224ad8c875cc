"""The fault of a PostgreSQL server with a standby: it dies or is fenced, and the standby takes its place."""

import asyncio
from typing import cast

from tests.faults.injectors.storm import Storm
from tests.support.standby import Pair, Server

ALONE_SECONDS = 6
# The tables to which the parts of the gateway write: each transaction writes to one of them.
WRITTEN = ("payments_payment", "payments_fact", "payments_outboxmessage", "payments_inboxmessage")


async def promote(storm: Storm) -> str:
    """Kill or fence the primary, promote its standby, and replace the standby some time later."""
    pair = cast(Pair, storm.site.postgresql)
    is_killed = storm.random.random() < 0.5
    former, fenced_at = pair.primary, ""
    if is_killed:
        await asyncio.to_thread(former.kill)
    else:
        await asyncio.to_thread(pair.fence)
        fenced_at = await asyncio.to_thread(clock_of, former)
    await asyncio.to_thread(pair.promote)
    storm.site.database_link.lead_to(pair.primary.url)
    await storm.last(ALONE_SECONDS)
    if not is_killed:
        storm.diary.mishaps += await asyncio.to_thread(strays, former, fenced_at)
    await asyncio.to_thread(pair.make_anew)
    return f"primary {'killed' if is_killed else 'fenced'}, standby promoted"


def clock_of(server: Server) -> str:
    """Return the server's time."""
    [(now,)] = server.run("SELECT clock_timestamp()::text")
    return str(now)


def strays(former: Server, fenced_at: str) -> list[str]:
    """Return the rows that a former primary committed after it was fenced. No other server has them."""
    found = []
    for table in WRITTEN:
        [(count,)] = former.run(
            f"SELECT count(*) FROM {table} WHERE pg_xact_commit_timestamp(xmin) > '{fenced_at}'"  # noqa: S608
        )
        if count:
            found.append(f"the fenced primary took {count} rows of {table}")
    return found
