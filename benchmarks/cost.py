"""What one purchase costs each process, the broker and the database, while purchases overlap."""

import argparse
import asyncio
import subprocess
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psycopg

from benchmarks.process_figures import figures_of
from benchmarks.purchases import measure, stack
from benchmarks.systems import BenchmarkError
from benchmarks.table import table
from tests.support import environment
from tests.support.stack import Stack

# PostgreSQL's processes tell their counts when they have been idle for a second.
COUNTED_SECONDS = 2.0

COUNTS = """
SELECT (SELECT count(*) FROM checkout_payment),
  (SELECT count(*) FROM checkout_inboxmessage),
  xact_commit + xact_rollback,
  tup_inserted + tup_updated + tup_deleted,
  pg_database_size(current_database())
FROM pg_stat_database WHERE datname = current_database()
"""


@dataclass(frozen=True)
class Spent:
    """Since everything began. `seconds` is processor time by process, `bytes` is the database's size."""

    purchases: int
    messages: int
    transactions: int
    rows: int
    bytes: int
    seconds: dict[str, float]


def run(options: argparse.Namespace) -> None:
    """Measure and print the table, means for one purchase. Raises BenchmarkError."""
    with stack() as running:
        asyncio.run(measure(running, options.seconds))
        before = _spent(running)
        rate = asyncio.run(measure(running, 3 * options.seconds))
        after = _spent(running)
    count = after.purchases - before.purchases
    lines = [
        [f"{name}, ms", f"{1000 * (seconds - before.seconds[name]) / count:.1f}"]
        for name, seconds in after.seconds.items()
    ]
    lines += [
        ["messages handled", f"{(after.messages - before.messages) / count:.0f}"],
        ["transactions", f"{(after.transactions - before.transactions) / count:.0f}"],
        ["rows written, changed or deleted", f"{(after.rows - before.rows) / count:.0f}"],
        ["bytes with indexes", f"{(after.bytes - before.bytes) / count:,.0f}"],
    ]
    print(table([f"for each of {count} purchases", f"at {rate.per_second:.1f} a second"], lines))


def _spent(running: Stack) -> Spent:
    time.sleep(COUNTED_SECONDS)
    with psycopg.connect(running.database_url, autocommit=True) as connection:
        counts = connection.execute(COUNTS).fetchone()
        database = _parent_of(connection.info.backend_pid)
    if counts is None:
        raise BenchmarkError("PostgreSQL keeps no counts of this database")
    seconds = {name: figures_of(program.pid).cpu_seconds for name, program in running.programs.items()}
    try:
        seconds["RabbitMQ"] = figures_of(_broker_pid()).cpu_seconds
        figures_of(database)
        seconds["PostgreSQL"] = _family_seconds(database)
    except OSError:
        raise BenchmarkError("RabbitMQ and PostgreSQL have to run on this machine") from None
    purchases, messages, transactions, rows, size = counts
    return Spent(purchases, messages, transactions, rows, size, seconds)


def _broker_pid() -> int:
    command = [environment.RABBITMQ_CONTROL, "eval", "os:getpid()."]
    return int(subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip().strip('"'))


def _family_seconds(parent: int) -> float:
    """Processor time of a process and its living children."""
    pids = [int(folder.name) for folder in Path("/proc").iterdir() if folder.name.isdecimal()]
    family = [parent, *(pid for pid in pids if _parent_of(pid) == parent)]
    total = 0.0
    for pid in family:
        with suppress(FileNotFoundError):  # one that has ended meanwhile
            total += figures_of(pid).cpu_seconds
    return total


def _parent_of(pid: int) -> int:
    """Return the parent's number; 0, which nobody has, for a process that has ended."""
    try:
        return int((Path("/proc") / str(pid) / "stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return 0
