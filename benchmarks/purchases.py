"""Purchases per second with all processes, and the gain from more processes."""

import argparse
import asyncio
import contextlib
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import count
from statistics import median, quantiles

import psycopg

from benchmarks.process_figures import figures_of
from benchmarks.shopper import Purchase, Shoppers
from benchmarks.systems import BenchmarkError
from benchmarks.table import table
from tests.support.fresh_stack import fresh_stack
from tests.support.stack import SERVICES, Stack

AT_ONCE = 16
WARM_UP_PURCHASES = 64
# The longest time until all answered purchases are captured: the sandbox's settling time and a little more.
CAPTURE_SECONDS = 60
TWO_OF_EACH = dict.fromkeys((*SERVICES, "relay"), 2)
STEPS: Mapping[str, tuple[int, Mapping[str, int]]] = {
    "one of each": (1, {}),
    "two web processes": (2, {}),
    "three web processes": (3, {}),
    "two of everything": (2, TWO_OF_EACH),
}
ENVIRONMENT = {
    "CHECKOUT_RISK_PAYMENTS_PER_EMAIL": "1000000",
    "CHECKOUT_RISK_PAYMENTS_PER_IP_ADDRESS": "1000000",
}

INCLUDE_CAPTURES = """
UPDATE payments_provideraccount SET options = options || '{"captures_with_authorisation": "yes"}'
"""
# The two ways of an automatic capture; True if the authorisation includes the capture.
CAPTURES = {"captured by a request of its own": False, "captured with the authorisation": True}


@dataclass(frozen=True)
class Rate:
    """The result of one run. `captured_after_seconds` is from the last answer until all is captured."""

    per_second: float
    pay_p50_ms: float
    pay_p99_ms: float
    captured_after_seconds: float
    cpu_ms_each: float
    bytes_each: float


def run(options: argparse.Namespace) -> None:
    """Measure and print the table. Raises BenchmarkError."""
    runs: dict[str, list[Rate]] = {name: [] for name in STEPS}
    for number in range(options.rounds):
        for name, (webs, copies) in STEPS.items():
            with stack(webs, copies) as running:
                rate = asyncio.run(measure(running, 3 * options.seconds))
            runs[name].append(rate)
            told = f"{rate.per_second:.1f} purchases/s"
            print(f"round {number + 1} of {options.rounds}: {name}: {told}", flush=True)
    print(as_table(runs))


def as_table(runs: Mapping[str, list[Rate]], what: str = "processes") -> str:
    """Return a table of medians over the rounds, one line for each entry of `runs`."""
    head = [what, "purchases/s", "pay p50 ms", "pay p99 ms", "captured s", "CPU ms each", "KB each"]
    lines = [
        [
            name,
            f"{median(rate.per_second for rate in rates):.1f}",
            f"{median(rate.pay_p50_ms for rate in rates):.0f}",
            f"{median(rate.pay_p99_ms for rate in rates):.0f}",
            f"{median(rate.captured_after_seconds for rate in rates):.1f}",
            f"{median(rate.cpu_ms_each for rate in rates):.1f}",
            f"{median(rate.bytes_each for rate in rates) / 1000:.1f}",
        ]
        for name, rates in runs.items()
    ]
    return table(head, lines)


@contextlib.contextmanager
def stack(
    webs: int = 1, copies: Mapping[str, int] | None = None, *, is_included: bool = False
) -> Iterator[Stack]:
    """Yield the product's processes when they are ready, with a new database and virtual host.

    If `is_included`, the provider captures with the authorisation.
    """
    with fresh_stack(webs=webs, copies=copies, environment=ENVIRONMENT) as running:
        if is_included:
            with psycopg.connect(running.database_url, autocommit=True) as connection:
                connection.execute(INCLUDE_CAPTURES)
        yield running


async def measure(running: Stack, seconds: float) -> Rate:
    """Let shoppers buy one thing after another, first as a warm-up. All purchases must be captured."""
    numbers = count(1)
    shoppers = Shoppers(running.web_url, running.sandbox_url)
    bought: list[Purchase] = []

    async def shop(until: float) -> None:
        while time.perf_counter() < until:
            bought.append(await shoppers.buy(next(numbers)))

    try:
        for _ in range(WARM_UP_PURCHASES // AT_ONCE):
            await asyncio.gather(*(shoppers.buy(next(numbers)) for _ in range(AT_ONCE)))
        await all_captured(running)
        size, spent = _database_bytes(running), _cpu_seconds(running)
        began = time.perf_counter()
        async with asyncio.TaskGroup() as tasks:
            for _ in range(AT_ONCE):
                tasks.create_task(shop(began + seconds))
        last = max(purchase.ended for purchase in bought)
        await all_captured(running)
        captured = time.perf_counter()
    finally:
        await shoppers.close()
    pay = [1000 * purchase.pay_seconds for purchase in bought]
    return Rate(
        per_second=len(bought) / (last - began),
        pay_p50_ms=median(pay),
        pay_p99_ms=quantiles(pay, n=100)[98],
        captured_after_seconds=captured - last,
        cpu_ms_each=1000 * (_cpu_seconds(running) - spent) / len(bought),
        bytes_each=(_database_bytes(running) - size) / len(bought),
    )


async def all_captured(running: Stack) -> None:
    """Wait until every payment is captured. Raises BenchmarkError."""
    deadline = time.perf_counter() + CAPTURE_SECONDS
    while missing := _one(
        running,
        "SELECT count(*) FROM payments_attempt a JOIN payments_payment p ON p.id = a.payment_id"
        " WHERE p.state <> 'captured'",
    ):
        if time.perf_counter() > deadline:
            raise BenchmarkError(f"{missing} payments were not captured\n{running.log_tails()}")
        await asyncio.sleep(0.1)


def _database_bytes(running: Stack) -> int:
    return _one(running, "SELECT pg_database_size(current_database())")


def _cpu_seconds(running: Stack) -> float:
    """Return the processor time of the product's processes, without sandbox, broker and database."""
    return sum(
        figures_of(program.pid).cpu_seconds for name, program in running.programs.items() if name != "sandbox"
    )


def _one(running: Stack, query: str) -> int:
    with psycopg.connect(running.database_url, autocommit=True) as connection:
        row = connection.execute(query.encode()).fetchone()
    return int(row[0]) if row else 0
