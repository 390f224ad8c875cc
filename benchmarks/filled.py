"""Measure whether purchases cost more with a million payments in the tables, and while a month is dropped."""

import argparse
import asyncio
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import psycopg

from benchmarks.filling import fill
from benchmarks.purchases import ENVIRONMENT, Rate, all_captured, as_table, measure, stack
from benchmarks.shopper import Shoppers
from benchmarks.systems import BenchmarkError
from benchmarks.table import table
from scripts.services.process import free_port
from tests.support.databases import database, migrated_database
from tests.support.stack import Stack
from tests.support.vhosts import fresh_vhost

PAYMENTS = 1_000_000
EMPTY, DROPPING = "no payments before", "while a month of messages is dropped"
# The relay's timer does the same, and tries again if the table was in use.
FORGET = """
import time
from django.db import OperationalError
from checkout.payments.timers.retention import delete_expired_messages
dropped = tries = 0
while not dropped:
    tries += 1
    try:
        dropped = delete_expired_messages()
    except OperationalError:
        time.sleep(1)
print(f"{dropped} months and rows dropped at try {tries}")
"""
# Statements on a partition count for its table.
SIZES = """
SELECT coalesce(parent.relname, own.relname), sum(greatest(own.reltuples, 0))::bigint,
    sum(pg_table_size(own.oid))::bigint, sum(pg_indexes_size(own.oid))::bigint
FROM pg_class own
LEFT JOIN pg_inherits ON inhrelid = own.oid LEFT JOIN pg_class parent ON parent.oid = inhparent
WHERE own.relkind = 'r' AND own.relnamespace = 'public'::regnamespace
GROUP BY 1 HAVING sum(greatest(own.reltuples, 0)) > 0 ORDER BY 3 DESC
"""
STATEMENTS = """
SELECT query, sum(calls), sum(total_exec_time) FROM pg_stat_statements
JOIN pg_database ON pg_database.oid = dbid WHERE datname = current_database() GROUP BY query
"""
DAY = 86_400
# No month is dropped until this benchmark does it.
KEEPS_ALL = {"CHECKOUT_RETENTION_SECONDS": str(150 * DAY), "CHECKOUT_EVENT_SECONDS": str(200 * DAY)}
FORGETS = {"CHECKOUT_RETENTION_SECONDS": str(30 * DAY)}
UNDER_WAY = """
SELECT (SELECT count(*) FROM payments_saga WHERE status = 'running')
     + (SELECT count(*) FROM payments_providernotification WHERE state = 'received')
     + (SELECT count(*) FROM payments_outboxmessage WHERE published_at IS NULL)
     + (SELECT count(*) FROM receipts_receipt WHERE sent_at IS NULL)
"""
# Statements that take less than this per purchase, in milliseconds, are not listed.
LEAST_MS = 0.05


def run(options: argparse.Namespace) -> None:
    """Measure with an empty and with a full database, and print the tables. Raises BenchmarkError."""
    (payments,) = options.counts or [PAYMENTS]
    full = f"{payments:,} payments in the tables"
    runs: dict[str, list[Rate]] = {EMPTY: [], full: [], DROPPING: []}
    with stack() as empty, filled_stack(payments) as filled:
        print(table(["table", "rows", "MB of rows", "MB of indexes"], _sizes(filled)), flush=True)
        stacks = {EMPTY: empty, full: filled}
        for running in stacks.values():
            _prepare(running)
        for number in range(options.rounds):
            for name, running in stacks.items():
                runs[name].append(asyncio.run(measure(running, 3 * options.seconds)))
                told = f"{runs[name][-1].per_second:.1f}/s"
                print(f"round {number + 1} of {options.rounds}: {name}: {told}", flush=True)
        print(table(["statement, ms of a purchase", EMPTY, full], _statements(empty, filled)))
        runs[DROPPING].append(asyncio.run(_measure_while_dropping(filled, 3 * options.seconds)))
    print(as_table(runs))


@contextmanager
def filled_stack(payments: int) -> Iterator[Stack]:
    """Yield a stack with one process of each kind and so many finished payments."""
    with (
        tempfile.TemporaryDirectory() as folder,
        fresh_vhost() as broker_url,
        migrated_database() as template,
        database(template) as database_url,
    ):
        # The example merchant has the addresses of the first start.
        started = partial(
            Stack,
            Path(folder),
            broker_url=broker_url,
            database_url=database_url,
            web_ports=[free_port()],
            environment={**ENVIRONMENT, **KEEPS_ALL, "SANDBOX_PORT": str(free_port())},
        )
        with started() as running:
            asyncio.run(_buy_once(running))
        began = time.perf_counter()
        fill(database_url, payments)
        print(f"filled in {time.perf_counter() - began:.0f} s", flush=True)
        with started() as running:
            yield running


async def _buy_once(running: Stack) -> None:
    shoppers = Shoppers(running.web_url, running.sandbox_url)
    try:
        await shoppers.buy(0)
        await all_captured(running)
        # Copies of unfinished sagas and messages would be carried on.
        await asyncio.to_thread(_come_to_rest, running)
    finally:
        await shoppers.close()


def _come_to_rest(running: Stack) -> None:
    while _ask(running, UNDER_WAY) != [(0,)]:
        time.sleep(0.1)


async def _measure_while_dropping(running: Stack, seconds: float) -> Rate:
    measuring = asyncio.create_task(measure(running, seconds))
    await asyncio.sleep(seconds)  # the warm-up, and a part of the measurement
    began = time.perf_counter()
    forgetting = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "manage.py", "shell", "--verbosity=0", "-c", FORGET],
        env={**running.environment, **FORGETS},
        capture_output=True,
        text=True,
    )
    if forgetting.returncode or measuring.done():
        raise BenchmarkError(f"no month was dropped during the measurement\n{forgetting.stderr}")
    took = time.perf_counter() - began
    print(f"{forgetting.stdout.strip()}, by a process of {took:.1f} s", flush=True)
    return await measuring


def _sizes(running: Stack) -> list[list[str]]:
    return [
        [name, f"{rows:,}", f"{table / 1e6:,.0f}", f"{indexes / 1e6:,.0f}"]
        for name, rows, table, indexes in _ask(running, SIZES)
        if table + indexes > 1e6
    ]


def _prepare(running: Stack) -> None:
    """Stock enough goods for all rounds, and count statements from now on."""
    with psycopg.connect(running.database_url, autocommit=True) as connection:
        connection.execute("UPDATE orders_stockitem SET quantity = 1000000")
        connection.execute("CREATE EXTENSION IF NOT EXISTS pg_stat_statements")
        connection.execute(
            "SELECT pg_stat_statements_reset(0, oid, 0) FROM pg_database WHERE datname = current_database()"
        )


def _statements(empty: Stack, filled: Stack) -> list[list[str]]:
    """Return a line for each statement that takes a notable part of a purchase, the slowest first."""
    means = []
    for running in (empty, filled):
        asked = {query: (int(calls), float(ms)) for query, calls, ms in _ask(running, STATEMENTS)}
        purchases = next(calls for query, (calls, _) in asked.items() if 'INTO "payments_payment"' in query)
        means.append({query: ms / purchases for query, (_, ms) in asked.items()})
    known, found = means
    return [
        [" ".join(query.split()), f"{known.get(query, 0):.2f}", f"{ms:.2f}"]
        for query, ms in sorted(found.items(), key=lambda item: -item[1])
        if ms >= LEAST_MS
    ]


def _ask(running: Stack, query: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(running.database_url, autocommit=True) as connection:
        return connection.execute(query.encode()).fetchall()
