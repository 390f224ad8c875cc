"""The gateway's share of a purchase's time, compared with the time of its commits and broker hops alone."""

import argparse
import asyncio
import subprocess
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import psycopg

from benchmarks.purchases import CAPTURES, all_captured, stack
from benchmarks.shopper import Purchase, Shoppers
from benchmarks.systems import PRODUCT, BenchmarkError, running
from benchmarks.table import table
from tests.support.program import ROOT
from tests.support.stack import Stack

WARM_UP = 20
PURCHASES = 30
TRANSACTIONS = 300

# The messages between the card and the answer. The reply about the authorisation causes both the answer and
# the next command. From that command, causation ids lead back to the first command, which web sent.
PATH = """
WITH RECURSIVE announced AS (
  SELECT event.created_at, next.causation_id
  FROM payments_event event JOIN payments_payment payment ON payment.id = event.payment_id
  JOIN payments_outboxmessage next
    ON next.subject = payment.reference AND next.created_at >= event.created_at AND next.causation_id <> ''
  WHERE payment.reference = %(payment)s AND event.type = 'payment.capture_pending'
  ORDER BY next.created_at LIMIT 1),
path AS (
  SELECT o.message_id, o.causation_id
  FROM payments_outboxmessage o JOIN announced ON o.message_id = announced.causation_id
  UNION ALL
  SELECT earlier.message_id, earlier.causation_id
  FROM payments_outboxmessage earlier JOIN path ON earlier.message_id = path.causation_id),
calls AS (
  SELECT extract(epoch FROM c.finished_at - c.started_at) AS seconds
  FROM payments_providercall c JOIN payments_attempt a ON a.id = c.attempt_id
  JOIN payments_payment p ON p.id = a.payment_id
  WHERE p.reference = %(payment)s AND c.finished_at <= (SELECT created_at FROM announced))
SELECT (SELECT count(*) FROM path), (SELECT count(*) FROM calls), (SELECT sum(seconds) FROM calls)
"""


@dataclass(frozen=True)
class CriticalPath:
    """The consecutive steps between the card and the answer.

    `messages` and `calls` (to the provider) are counts; `provider_seconds` is the time of the calls.
    """

    messages: int
    calls: int
    provider_seconds: float

    @property
    def commits(self) -> int:
        """The number of commits: one by web, one per handled message, and one before each call."""
        return 1 + self.messages + self.calls


@dataclass(frozen=True)
class Floor:
    """The seconds that one commit, one hop and one answer take by themselves."""

    commit: float
    hop: float
    answer: float

    def of(self, path: CriticalPath) -> float:
        return path.commits * self.commit + path.messages * self.hop + self.answer


def run(options: argparse.Namespace) -> None:
    """Measure and print tables of medians in ms for each way of capturing. Raises BenchmarkError."""
    for title, is_included in CAPTURES.items():
        print(f"\nOne frictionless purchase at a time, {title}\n")
        _run(is_included=is_included)


def _run(*, is_included: bool) -> None:
    with stack(is_included=is_included) as running_stack:
        bought = asyncio.run(_buy_one_after_another(running_stack))
        paths = _paths(running_stack.database_url, bought)
        path = paths[0]
        if {(each.messages, each.calls) for each in paths} != {(path.messages, path.calls)}:
            raise BenchmarkError("these purchases did not go the same way")
        pay = median(purchase.pay_seconds for purchase in bought)
        busy = _floor(running_stack, 0)
        # The recorded time of a call starts before its intent is committed, so that commit is subtracted.
        provider = median(each.provider_seconds for each in paths) - path.calls * busy.commit
        own = pay - provider
        pause = own / (path.messages + 1)
        rested = _floor(running_stack, pause)
    lines = [
        ["the shopper waits", f"{1000 * pay:.1f}", ""],
        [f"of which the provider, {path.calls} calls", f"{1000 * provider:.1f}", ""],
        ["of which the gateway", f"{1000 * own:.1f}", ""],
        _line(f"{path.commits} commits", path.commits, busy.commit, rested.commit),
        _line(f"{path.messages} hops", path.messages, busy.hop, rested.hop),
        _line("the answer to web", 1, busy.answer, rested.answer),
        ["the gateway's time to all of these", f"{own / busy.of(path):.2f}", f"{own / rested.of(path):.2f}"],
    ]
    title = f"with {1000 * pause:.0f} ms between them"
    print(table(["ms", "one after the other", title], lines), flush=True)


def _floor(running_stack: Stack, pause_seconds: float) -> Floor:
    hop, answer = _hop_and_answer_seconds(running_stack.broker_url, pause_seconds)
    return Floor(_commit_seconds(running_stack.database_url, pause_seconds), hop, answer)


def _line(name: str, count: int, *seconds: float) -> list[str]:
    return [name, *(f"{1000 * count * each:.1f} ({1000 * each:.2f} each)" for each in seconds)]


async def _buy_one_after_another(running_stack: Stack) -> list[Purchase]:
    shoppers = Shoppers(running_stack.web_url, running_stack.sandbox_url)
    bought = []
    try:
        for number in range(WARM_UP):
            await shoppers.buy(number)
        for number in range(WARM_UP, WARM_UP + PURCHASES):
            # Work that a purchase causes after its answer must not slow the next purchase.
            await all_captured(running_stack)
            bought.append(await shoppers.buy(number))
    finally:
        await shoppers.close()
    return bought


def _commit_seconds(database_url: str, pause_seconds: float) -> float:
    """Return the median seconds of a transaction that inserts one row on an open connection."""
    times = []
    with psycopg.connect(database_url) as connection:
        connection.execute("CREATE TABLE benchmark_commit (id bigserial PRIMARY KEY, body text)")
        connection.commit()
        for _ in range(TRANSACTIONS):
            time.sleep(pause_seconds)
            began = time.perf_counter()
            connection.execute("INSERT INTO benchmark_commit (body) VALUES (%s)", ["x" * 300])
            connection.commit()
            times.append(time.perf_counter() - began)
        connection.execute("DROP TABLE benchmark_commit")
    return median(times)


def _hop_and_answer_seconds(broker_url: str, pause_seconds: float) -> tuple[float, float]:
    with tempfile.TemporaryDirectory() as folder, running("gateway", broker_url, Path(folder)) as system:
        finished = subprocess.run(
            [PRODUCT, "-m", "benchmarks.gateway.round_trips", str(pause_seconds)],
            cwd=ROOT,
            env=system.environment,
            capture_output=True,
            text=True,
            check=False,
        )
    if finished.returncode:
        raise BenchmarkError(finished.stderr)
    hop, answer = finished.stdout.split()
    return float(hop), float(answer)


def _paths(database_url: str, bought: Sequence[Purchase]) -> list[CriticalPath]:
    with psycopg.connect(database_url) as connection:
        rows = [connection.execute(PATH, {"payment": each.reference}).fetchone() for each in bought]
    found = [CriticalPath(row[0], row[1], float(row[2])) for row in rows if row and row[0] and row[2]]
    if len(found) < len(bought):
        raise BenchmarkError("no call to the provider was recorded")
    return found
