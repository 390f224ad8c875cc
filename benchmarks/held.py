"""Thousands of requests held at once in one process: their time, memory, threads and processor time."""

import argparse
import resource
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median, quantiles

from benchmarks.crowd import request_of, waiting_times
from benchmarks.process_figures import Figures, figures_of
from benchmarks.systems import BODY, running
from benchmarks.table import table
from tests.support.vhosts import fresh_vhost

PEERS = ("gateway", "node")
COUNTS = (1_000, 3_000, 10_000)
PER_SECOND = 2_500
HOLD_SECONDS = 5.0
WARM_UP = 200
ENVIRONMENT = {
    "HOLD_SECONDS": str(HOLD_SECONDS),
    # More than the held requests. Without a limit, a quorum queue delivers at most 2,000 to a consumer.
    "PREFETCH": "20000",
    "CHECKOUT_MAX_WAITERS": "20000",
    "CHECKOUT_MAX_HELD": "20000",
    "CHECKOUT_MAX_HELD_PER_ADDRESS": "20000",
}


@dataclass(frozen=True)
class Held:
    """One run. Times are in milliseconds, without the time for which the worker delays its reply."""

    answered: int
    p50_ms: float
    p99_ms: float
    longest_ms: float
    bytes_each: float
    more_threads: int
    cpu_microseconds_each: float


Runs = dict[tuple[str, int], list[Held]]


def run(options: argparse.Namespace) -> None:
    """Measure and print the table. Raises BenchmarkError."""
    print(as_table(measure(options.peers or PEERS, options.counts or COUNTS, options.rounds)))


def measure(peers: Sequence[str], counts: Sequence[int], rounds: int) -> Runs:
    """Measure each system with each count, each time with new processes. Raises BenchmarkError."""
    allow_files(max(counts) + 500)
    runs: Runs = {(peer, count): [] for count in counts for peer in peers}
    for number in range(rounds):
        for peer, count in runs:
            held = hold(peer, count)
            runs[peer, count].append(held)
            told = f"{held.answered} answered, p99 {held.p99_ms:.0f} ms over {HOLD_SECONDS:g} s"
            print(f"round {number + 1} of {rounds}: {peer}, {count} held: {told}", flush=True)
    return runs


def hold(peer: str, count: int) -> Held:
    with (
        tempfile.TemporaryDirectory() as folder,
        fresh_vhost() as broker_url,
        running(peer, broker_url, Path(folder), **ENVIRONMENT) as system,
    ):
        request = request_of("POST", system.address, BODY)
        waiting_times(system.address, request, WARM_UP, PER_SECOND, lambda: None)
        before = figures_of(system.web.pid)
        seen: list[Figures] = []
        times = waiting_times(
            system.address, request, count, PER_SECOND, lambda: seen.append(figures_of(system.web.pid))
        )
        after = figures_of(system.web.pid)
    excess = sorted(1000 * (seconds - HOLD_SECONDS) for seconds in times) or [float("nan")]
    hundredths = quantiles(excess, n=100, method="inclusive") if len(excess) > 1 else excess * 99
    return Held(
        answered=len(times),
        p50_ms=hundredths[49],
        p99_ms=hundredths[98],
        longest_ms=excess[-1],
        bytes_each=(max(figures.resident_bytes for figures in seen) - before.resident_bytes) / count,
        more_threads=max(figures.threads for figures in seen) - before.threads,
        cpu_microseconds_each=1e6 * (after.cpu_seconds - before.cpu_seconds) / count,
    )


def as_table(runs: Runs) -> str:
    """Return a table of medians over the rounds."""
    head = [
        "peer",
        "held",
        "answered",
        "p50 ms over",
        "p99 ms over",
        "longest",
        "KB each",
        "threads",
        "CPU µs each",
    ]
    lines = [
        [
            peer,
            f"{count:,}",
            f"{min(run.answered for run in held):,}",
            f"{median(run.p50_ms for run in held):.0f}",
            f"{median(run.p99_ms for run in held):.0f}",
            f"{median(run.longest_ms for run in held):.0f}",
            f"{median(run.bytes_each for run in held) / 1000:.1f}",
            f"+{max(run.more_threads for run in held)}",
            f"{median(run.cpu_microseconds_each for run in held):.0f}",
        ]
        for (peer, count), held in runs.items()
    ]
    return table(head, lines)


def allow_files(count: int) -> None:
    """Raise the limit of file descriptors, which the web process inherits: each connection needs one."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = count if hard == resource.RLIM_INFINITY else min(count, hard)
    if soft != resource.RLIM_INFINITY and soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
