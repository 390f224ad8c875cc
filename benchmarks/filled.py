"""Measure if a purchase costs more with a hundred thousand payments in the tables."""

import argparse
import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg

from benchmarks.filling import fill
from benchmarks.purchases import Rate, all_captured, as_table, measure, stack
from benchmarks.shopper import Shoppers
from tests.support.stack import Stack

PAYMENTS = 100_000


def run(options: argparse.Namespace) -> None:
    """Measure with an empty and with a full database, and print the table. Raises BenchmarkError."""
    counts = [0, *(options.counts or [PAYMENTS])]
    runs: dict[str, list[Rate]] = {f"{count:,} payments in the tables": [] for count in counts}
    for number in range(options.rounds):
        for count, (name, rates) in zip(counts, runs.items(), strict=True):
            with filled_stack(count) as running:
                rates.append(asyncio.run(measure(running, 3 * options.seconds)))
            print(f"round {number + 1} of {options.rounds}: {name}: {rates[-1].per_second:.1f}/s", flush=True)
    print(as_table(runs))


@contextmanager
def filled_stack(payments: int) -> Iterator[Stack]:
    """Yield a stack with one process of each kind and so many finished payments."""
    with stack() as running:
        if payments:
            asyncio.run(_buy_once(running))
            fill(running.database_url, payments)
            with psycopg.connect(running.database_url) as connection:
                row = connection.execute("SELECT count(*) FROM payments_payment").fetchone()
            print(f"{row[0] if row else 0:,} payments", flush=True)
        yield running


async def _buy_once(running: Stack) -> None:
    shoppers = Shoppers(running.web_url, running.sandbox_url)
    try:
        await shoppers.buy(0)
        await all_captured(running)
    finally:
        await shoppers.close()
