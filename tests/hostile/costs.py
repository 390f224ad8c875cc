"""The costs of a phase: processor time, memory, connections, transactions, rows and inquiries."""

import asyncio
import contextlib
import os
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field

from benchmarks.process_figures import figures_of
from tests.faults.site import Site

LOOK_SECONDS = 0.5
MEGABYTE = 1024 * 1024
QUESTIONS = "'payments.check_claim', 'payments.inquire', 'payments.inquire_operation'"
# Only published ones are counted, because inquiries that still wait for their turn have cost nothing yet.
COUNTED = f"""
    SELECT (SELECT count(*) FROM payments_outboxmessage
            WHERE type IN ({QUESTIONS}) AND published_at IS NOT NULL),
           (SELECT count(*) FROM payments_providernotification),
           (SELECT xact_commit FROM pg_stat_database WHERE datname = current_database()),
           (SELECT tup_inserted FROM pg_stat_database WHERE datname = current_database())"""  # noqa: S608


@dataclass(frozen=True)
class Reading:
    """The totals from the start to one moment."""

    cpu_seconds: Mapping[str, float]
    questions: int
    notifications: int
    transactions: int
    rows: int


async def read(site: Site) -> Reading:
    """Read all totals."""
    [(questions, notifications, transactions, rows)] = await asyncio.to_thread(site.rows, COUNTED)
    cpu = {name: figures_of(program.pid).cpu_seconds for name, program in site.programs.items()}
    return Reading(cpu, questions, notifications, transactions, rows)


def used(before: Reading, after: Reading, kind: str) -> float:
    """Return the processor seconds of processes of this kind (`web`, `payments`) between two readings."""
    return sum(
        seconds - before.cpu_seconds[name]
        for name, seconds in after.cpu_seconds.items()
        if name.partition("-")[0] == kind
    )


@dataclass
class Watch:
    """The highest values since the last `forget`: megabytes by process, sockets of all web processes."""

    site: Site
    megabytes: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    sockets: int = 0

    async def run(self) -> None:
        """Take samples until cancelled."""
        while True:
            await asyncio.to_thread(self._look)
            await asyncio.sleep(LOOK_SECONDS)

    def forget(self) -> None:
        self.megabytes.clear()
        self.sockets = 0

    def _look(self) -> None:
        for name, megabytes in resident(self.site).items():
            self.megabytes[name] = max(self.megabytes[name], megabytes)
        webs = [
            program.pid for name, program in self.site.programs.items() if name.partition("-")[0] == "web"
        ]
        self.sockets = max(self.sockets, sum(_sockets_of(pid) for pid in webs))


def resident(site: Site) -> dict[str, float]:
    """Return the resident memory of each process in megabytes."""
    return {
        name: figures_of(program.pid).resident_bytes / MEGABYTE for name, program in site.programs.items()
    }


def _sockets_of(pid: int) -> int:
    folder, found = f"/proc/{pid}/fd", 0
    for name in os.listdir(folder):
        with contextlib.suppress(FileNotFoundError):
            found += os.readlink(f"{folder}/{name}").startswith("socket:")
    return found
