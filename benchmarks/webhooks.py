"""Webhooks per second from a backlog, and the time from an event to its webhook.

One process sends, another one receives, on one machine with PostgreSQL and RabbitMQ. ``--counts`` gives the
number of webhooks in the backlog (default: 100,000).
"""

import argparse
import contextlib
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import median, quantiles

import psycopg

from benchmarks.process_figures import figures_of
from benchmarks.systems import BenchmarkError
from benchmarks.table import table
from scripts.services.process import free_port
from tests.support.databases import database, migrated_database
from tests.support.program import ROOT, Program
from tests.support.vhosts import fresh_vhost

BACKLOG = 100_000
ENDPOINTS = 20
TRICKLE = 100
TRICKLE_PAUSE_SECONDS = 0.05
# The longest pause without any webhook before the benchmark gives up.
STANDSTILL_SECONDS = 60
SENT = "SELECT count(*), min(ended_at), max(ended_at) FROM webhooks_delivery WHERE state = 'delivered'"
LAG = """
SELECT extract(epoch FROM min(a.at) - e.created_at) FROM webhooks_deliveryattempt a
JOIN webhooks_delivery d ON d.id = a.delivery_id JOIN payments_event e ON e.reference = d.event
JOIN payments_payment p ON p.id = e.payment_id WHERE p.order_reference LIKE 'order-%' GROUP BY e.id
"""


@dataclass(frozen=True)
class Result:
    """One measurement. The lag is from the commit of an event to the first attempt."""

    count: int
    per_second: float
    cpu_ms_each: float
    lag_p50_ms: float
    lag_p99_ms: float


def run(options: argparse.Namespace) -> None:
    """Measure and print the table. Raises BenchmarkError."""
    count = options.counts[0] if options.counts else BACKLOG
    result = measure(count)
    head = ["webhooks", "a second", "CPU ms each", "lag p50 ms", "lag p99 ms"]
    row = [
        f"{result.count:,}",
        f"{result.per_second:.0f}",
        f"{result.cpu_ms_each:.2f}",
        f"{result.lag_p50_ms:.0f}",
        f"{result.lag_p99_ms:.0f}",
    ]
    print(table(head, [row]))


def measure(count: int) -> Result:
    """Send a backlog of ``count`` webhooks, then webhooks for events that happen one after the other."""
    with (
        tempfile.TemporaryDirectory() as folder,
        fresh_vhost() as broker_url,
        migrated_database() as template,
        database(template) as database_url,
        psycopg.connect(database_url, autocommit=True) as connection,
    ):
        environment = {
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "payments_gateway.settings",
            "DEBUG": "false",
            "CHECKOUT_TRY_OUT": "true",
            "CHECKOUT_SINGLE_BROKER_USER": "true",
            "BROKER_URL": broker_url,
            "DATABASE_URL": database_url,
        }
        port = free_port()
        fill("backlog", str(count), str(ENDPOINTS), str(port), environment=environment)
        connection.execute("VACUUM ANALYZE")
        with (
            running("receiver", ["-m", "benchmarks.webhook_receiver", str(port)], folder, environment),
            running("webhooks", ["manage.py", "run_webhooks"], folder, environment) as sender,
            running("relay", ["manage.py", "run_relay"], folder, environment),
        ):
            wait_for(connection, count)
            _, began, ended = connection.execute(SENT).fetchone() or (0, None, None)
            spent = figures_of(sender.pid).cpu_seconds
            fill("trickle", str(TRICKLE), str(TRICKLE_PAUSE_SECONDS), environment=environment)
            wait_for(connection, count + TRICKLE)
            lags = [1000 * float(lag) for (lag,) in connection.execute(LAG).fetchall()]
    return Result(
        count=count,
        per_second=count / (ended - began).total_seconds(),
        cpu_ms_each=1000 * spent / count,
        lag_p50_ms=median(lags),
        lag_p99_ms=quantiles(lags, n=100)[98],
    )


def fill(*arguments: str, environment: Mapping[str, str]) -> None:
    """Run ``webhook_filling`` to its end."""
    command = [sys.executable, "-m", "benchmarks.webhook_filling", *arguments]
    subprocess.run(command, cwd=ROOT, env=environment, check=True)


@contextlib.contextmanager
def running(
    name: str, arguments: list[str], folder: str, environment: Mapping[str, str]
) -> Iterator[Program]:
    """Run a program within the block."""
    log = Path(folder) / f"{name}.log"
    program = Program(name, [sys.executable, *arguments], log=log, environment=environment)
    program.start()
    try:
        yield program
    finally:
        program.kill()


def wait_for(connection: psycopg.Connection, count: int) -> None:
    """Wait until so many webhooks are delivered. Raises BenchmarkError when no more arrive."""
    latest, since = -1, time.monotonic()
    while True:
        (sent, *_) = connection.execute(SENT).fetchone() or (0,)
        if sent >= count:
            return
        if sent > latest:
            latest, since = sent, time.monotonic()
        elif time.monotonic() - since > STANDSTILL_SECONDS:
            raise BenchmarkError(f"{sent} of {count} webhooks were delivered, and then no more")
        time.sleep(0.2)
