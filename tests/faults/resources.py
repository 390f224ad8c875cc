"""The resources that processes and servers hold at one time, and the leaks between two times."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.faults.site import Site

# A tenth more is no leak. SPARE is added since pools of connections and threads grow and shrink. A process
# has a pool of connections for each database, so the spare descriptors are for each.
TOLERANCE = 1.1
POOL_SIZE = 10
# A service has its main thread, and threads that begin when they are needed and then stay: eight each for
# messages and for other work on the database, and four for each pool of connections.
THREADS, THREADS_OF_POOL = 17, 4
SPARE = {"descriptors": 12, "threads": 8, "megabytes": 40, "sessions": 5, "broker connections": 6}


@dataclass(frozen=True, slots=True)
class Holding:
    """The amount of one resource that one holder has."""

    holder: str
    what: str
    amount: int


async def holdings(site: Site) -> list[Holding]:
    """Return the resources that are held at present."""
    found = [
        Holding(name, what, amount)
        for name, program in site.programs.items()
        if program.is_alive
        for what, amount in _of_process(program.pid)
    ]
    sessions = site.rows("SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'")
    pools = POOL_SIZE * len(site.programs) * len(site.databases.addresses)
    # Pools may grow during the campaign, so only sessions beyond the sizes of all pools count as a leak.
    found.append(Holding("PostgreSQL", "sessions", max(sessions[0][0], pools)))
    connections = await site.rabbitmqctl("list_connections", "--quiet", "--no-table-headers", "pid")
    found.append(Holding("RabbitMQ", "broker connections", len(connections.splitlines())))
    return found


def leaks(before: list[Holding], after: list[Holding], databases: int = 1) -> Iterator[str]:
    """Yield a text for each holder whose amount has grown beyond the tolerance."""
    base = {(held.holder, held.what): held.amount for held in before}
    for held in after:
        known = base.get((held.holder, held.what))
        spare = SPARE[held.what] * (databases if held.what == "descriptors" else 1)
        if known is None:
            continue
        usual = THREADS + THREADS_OF_POOL * databases if held.what == "threads" else 0
        if held.amount > max(known * TOLERANCE + spare, usual):
            yield f"{held.holder} holds {held.amount} {held.what}, {known} before"


def _of_process(pid: int) -> Iterator[tuple[str, int]]:
    folder = Path(f"/proc/{pid}")
    status = dict(line.split(":", 1) for line in (folder / "status").read_text().splitlines() if ":" in line)
    yield "descriptors", len(os.listdir(folder / "fd"))
    yield "threads", int(status["Threads"])
    yield "megabytes", int(status["VmRSS"].split()[0]) // 1024
