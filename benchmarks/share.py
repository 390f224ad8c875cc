"""The gateway's own share of a purchase's time, beside what its commits and broker hops take alone."""

import argparse
import asyncio
import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median

import psycopg

from benchmarks.purchases import stack
from benchmarks.shopper import Purchase, Shoppers
from benchmarks.systems import PRODUCT, BenchmarkError, running
from benchmarks.table import table
from tests.support.program import ROOT
from tests.support.stack import Stack

# From the shopper's card to the answer: web, checkout, risk, checkout, orders, checkout, payments (the intent
# and the outcome), checkout: nine transactions, and between them and back to the web process eight messages.
COMMITS = 9
HOPS = 8
WARM_UP = 20
PURCHASES = 60
TRANSACTIONS = 300


def run(options: argparse.Namespace) -> None:
    """Measure and print the table, medians in milliseconds. Raises BenchmarkError."""
    with stack() as running_stack:
        commit = _commit_seconds(running_stack.database_url)
        hop = _hop_seconds(running_stack.broker_url)
        bought = asyncio.run(_buy_one_after_another(running_stack))
        provider = _provider_seconds(running_stack.database_url, bought)
    pay = median(purchase.pay_seconds for purchase in bought)
    # The call's times in the database begin before the intent is committed.
    own = pay - (provider - commit)
    floor = COMMITS * commit + HOPS * hop
    lines = [
        ["the shopper waits", f"{1000 * pay:.1f}"],
        ["of which the provider", f"{1000 * (provider - commit):.1f}"],
        ["of which the gateway", f"{1000 * own:.1f}"],
        [f"{COMMITS} commits of {1000 * commit:.2f}", f"{1000 * COMMITS * commit:.1f}"],
        [f"{HOPS} hops of {1000 * hop:.2f}", f"{1000 * HOPS * hop:.1f}"],
        ["the gateway's share to commits and hops", f"{own / floor:.2f}"],
    ]
    print(table(["one frictionless purchase at a time", "ms"], lines))


async def _buy_one_after_another(running_stack: Stack) -> list[Purchase]:
    shoppers = Shoppers(running_stack.web_url, running_stack.sandbox_url)
    try:
        return [await shoppers.buy(number) for number in range(WARM_UP + PURCHASES)][WARM_UP:]
    finally:
        await shoppers.close()


def _commit_seconds(database_url: str) -> float:
    """A transaction of one row, on a connection that is open."""
    times = []
    with psycopg.connect(database_url) as connection:
        connection.execute("CREATE TABLE benchmark_commit (id bigserial PRIMARY KEY, body text)")
        connection.commit()
        for _ in range(TRANSACTIONS):
            began = time.perf_counter()
            connection.execute("INSERT INTO benchmark_commit (body) VALUES (%s)", ["x" * 300])
            connection.commit()
            times.append(time.perf_counter() - began)
        connection.execute("DROP TABLE benchmark_commit")
    return median(times)


def _hop_seconds(broker_url: str) -> float:
    """Half of a call to another process: a message on a quorum queue, and one on a process's own."""
    with tempfile.TemporaryDirectory() as folder, running("gateway", broker_url, Path(folder)) as system:
        finished = subprocess.run(
            [PRODUCT, "-m", "benchmarks.gateway.round_trips"],
            cwd=ROOT,
            env=system.environment,
            capture_output=True,
            text=True,
            check=False,
        )
    if finished.returncode:
        raise BenchmarkError(finished.stderr)
    return float(finished.stdout.splitlines()[-1]) / 2


def _provider_seconds(database_url: str, bought: Sequence[Purchase]) -> float:
    with psycopg.connect(database_url) as connection:
        row = connection.execute(
            "SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY extract(epoch FROM finished_at - started_at))"
            " FROM checkout_providercall c JOIN checkout_attempt a ON a.id = c.attempt_id"
            " JOIN checkout_payment p ON p.id = a.payment_id"
            " WHERE c.verb = 'authorise' AND p.reference = ANY(%s)",
            [[purchase.reference for purchase in bought]],
        ).fetchone()
    if row is None or row[0] is None:
        raise BenchmarkError("no call to the provider was recorded")
    return float(row[0])
