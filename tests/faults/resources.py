"""The resources that processes and servers hold at one time, and the leaks between two times."""

import os
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.faults.site import Site

# A tenth more is no leak. SPARE is added, because pools of connections and threads grow and shrink. A process
# has a pool of connections for each database, so each database adds spare descriptors.
TOLERANCE = 1.1
POOL_SIZE = 10
# A service has its main thread, and threads that begin when they are needed and then stay: eight each for
# messages, for other work on the database and for e-mails, those of asyncio for the names of hosts, and four
# for each pool of connections.
THREADS, THREADS_OF_POOL = 25 + min(32, (os.cpu_count() or 1) + 4), 4
# States of sockets in /proc/net/tcp.
ESTABLISHED, LISTENING = "01", "0A"
SPARE = {"descriptors": 12, "threads": 8, "megabytes": 40, "sessions": 5, "broker connections": 6}


@dataclass(frozen=True, slots=True)
class Holding:
    """The amount of one resource that one holder has, with details to explain a leak."""

    holder: str
    what: str
    amount: int
    details: str = ""


async def holdings(site: Site) -> list[Holding]:
    """Return the resources that are held at present."""
    found = [
        holding
        for name, program in site.programs.items()
        if program.is_alive
        for holding in _of_process(name, program.pid)
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
            details = f" ({held.details})" if held.details else ""
            yield f"{held.holder} holds {held.amount} {held.what}, {known} before{details}"


def _of_process(name: str, pid: int) -> Iterator[Holding]:
    folder = Path(f"/proc/{pid}")
    status = dict(line.split(":", 1) for line in (folder / "status").read_text().splitlines() if ":" in line)
    kinds = _descriptors(folder)
    details = ", ".join(f"{count} {kind}" for kind, count in kinds.most_common())
    yield Holding(name, "descriptors", kinds.total(), details)
    yield Holding(name, "threads", int(status["Threads"]))
    yield Holding(name, "megabytes", int(status["VmRSS"].split()[0]) // 1024)


def _descriptors(folder: Path) -> Counter[str]:
    """Return the descriptors of the process with this folder in /proc: by kind, and sockets by their peer."""
    sockets = _sockets(folder)
    kinds: Counter[str] = Counter()
    for descriptor in (folder / "fd").iterdir():
        try:
            target = os.readlink(descriptor)
        except FileNotFoundError:  # closed meanwhile
            continue
        kinds[sockets.get(target) or re.sub(r":?\[.*\]", "", target)] += 1
    return kinds


def _sockets(folder: Path) -> dict[str, str]:
    """Return the kind of each TCP socket by the target of its descriptor, see proc(5)."""
    rows = [
        line.split()[:10]
        for table in ("tcp", "tcp6")
        for line in (folder / "net" / table).read_text().splitlines()[1:]
    ]
    served = {_port(local) for _, local, _, state, *_ in rows if state == LISTENING}
    found = {}
    for _, local, remote, state, *_, inode in rows:
        if state == LISTENING:
            kind = f"listening on port {_port(local)}"
        else:
            accepted = f"accepted on port {_port(local)}"
            kind = accepted if _port(local) in served else f"to port {_port(remote)}"
        is_usual = state in (LISTENING, ESTABLISHED)
        found[f"socket:[{inode}]"] = kind if is_usual else f"{kind} in state {state}"
    return found


def _port(address: str) -> int:
    return int(address.rpartition(":")[2], 16)
