"""Payments per second that are compared with the sandbox's books over HTTP, while nothing else runs."""

import argparse
import asyncio
import json
import time
from datetime import UTC, datetime, timedelta
from statistics import median

from benchmarks.purchases import measure, stack
from benchmarks.systems import BenchmarkError
from benchmarks.table import table
from tests.support.stack import Stack

# Orders are listed in windows of at most a day, so an earlier start would measure empty days.
SINCE = timedelta(days=1)
# Payments are made for so many times the seconds of one measurement.
PURCHASES_TIMES = 6


def run(options: argparse.Namespace) -> None:
    """Measure and print the table. Raises BenchmarkError."""
    with stack() as running:
        asyncio.run(measure(running, PURCHASES_TIMES * options.seconds))
        compared = [_compare(running) for _ in range(options.rounds)]
    payments, _ = compared[0]
    rates = [number / seconds for number, seconds in compared]
    print(table(["payments", "compared/s"], [[str(payments), f"{median(rates):.0f}"]]))


def _compare(running: Stack) -> tuple[int, float]:
    """Return the number of payments that agree, and the seconds that the whole command took."""
    since = (datetime.now(UTC) - SINCE).isoformat()
    began = time.perf_counter()
    told = json.loads(running.manage("reconcile", "--since", since, "--json"))
    [account] = told["accounts"]
    if account["differences"] or account["unanswered"]:
        raise BenchmarkError(f"the books do not agree: {account}")
    return account["compared"], time.perf_counter() - began
