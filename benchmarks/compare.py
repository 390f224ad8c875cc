"""The same work on all systems, in rounds, so that changes of the machine affect all systems alike."""

import argparse
import json
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from statistics import median
from typing import TypedDict

from benchmarks.load import Measured, measure
from benchmarks.systems import SYSTEMS, BenchmarkError, running
from benchmarks.table import table
from tests.support.vhosts import fresh_vhost

CONCURRENCIES = (1, 32, 256)
WARM_UP_SECONDS = 2
# The last columns of the table give each rate relative to those of these systems.
YARDSTICKS = ("node-same-guarantees", "node")

Runs = dict[tuple[str, int], list[Measured]]


class Row(TypedDict):
    """An entry of `results.json`, with medians over the rounds."""

    peer: str
    concurrency: int
    requests_per_second: float
    p50_ms: float
    p99_ms: float


def run(options: argparse.Namespace) -> None:
    """Measure, print the table, and write `results.json`. Raises BenchmarkError."""
    peers = options.peers or list(SYSTEMS)
    if unknown := set(peers) - set(SYSTEMS):
        raise BenchmarkError(f"no such peer: {', '.join(unknown)}; there are {', '.join(SYSTEMS)}")
    runs = compare(peers, options.rounds, options.seconds, options.counts or CONCURRENCIES)
    options.results.write_text(json.dumps(rows_of(runs), indent=2) + "\n")
    print(as_table(runs))


def compare(peers: Sequence[str], rounds: int, seconds: int, concurrencies: Sequence[int]) -> Runs:
    """Measure every system once in each round, alone on the machine. Raises BenchmarkError."""
    runs: Runs = {(peer, concurrency): [] for peer in peers for concurrency in concurrencies}
    for number in range(rounds):
        for peer in peers:
            with (
                tempfile.TemporaryDirectory() as folder,
                fresh_vhost() as broker_url,
                running(peer, broker_url, Path(folder)) as system,
            ):
                measure(system.address, concurrency=32, seconds=min(WARM_UP_SECONDS, seconds))
                for concurrency in concurrencies:
                    run = measure(system.address, concurrency=concurrency, seconds=seconds)
                    runs[peer, concurrency].append(run)
            told = ", ".join(f"{runs[peer, each][-1].requests_per_second:,.0f}" for each in concurrencies)
            print(f"round {number + 1} of {rounds}: {peer}: {told} requests/s", flush=True)
    return runs


def rows_of(runs: Runs) -> list[Row]:
    """Return the rows of `results.json`."""
    return [
        {
            "peer": peer,
            "concurrency": concurrency,
            "requests_per_second": round(median(run.requests_per_second for run in of_peer), 1),
            "p50_ms": round(median(run.p50_ms for run in of_peer), 3),
            "p99_ms": round(median(run.p99_ms for run in of_peer), 3),
        }
        for (peer, concurrency), of_peer in runs.items()
    ]


def as_table(runs: Runs) -> str:
    """Return a table by concurrency. The last column is the load generator's share of a core, in percent."""
    rows = rows_of(runs)
    rates = {(row["peer"], row["concurrency"]): row["requests_per_second"] for row in rows}
    yardsticks = [peer for peer in YARDSTICKS if any(peer == row["peer"] for row in rows)]
    head = [
        "peer",
        "at once",
        "requests/s",
        "p50 ms",
        "p99 ms",
        *(f"to {peer}" for peer in yardsticks),
        "wrk %",
    ]
    lines = [
        [
            row["peer"],
            str(row["concurrency"]),
            f"{row['requests_per_second']:,.0f}",
            f"{row['p50_ms']:.2f}",
            f"{row['p99_ms']:.2f}",
            *(f"{row['requests_per_second'] / rates[peer, row['concurrency']]:.2f}" for peer in yardsticks),
            f"{100 * _highest(runs[row['peer'], row['concurrency']]):.0f}",
        ]
        for row in sorted(rows, key=lambda row: row["concurrency"])
    ]
    return table(head, lines)


def _highest(runs: Iterable[Measured]) -> float:
    return max(run.load_share for run in runs)
