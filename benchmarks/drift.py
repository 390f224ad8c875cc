"""The present code compared with an older commit: rates of held requests and of purchases, in turn.

Each side measures itself with its own benchmarks, in its own folder, on the same servers and with the same
installed packages. Many small losses show here, each of which is too small to show beside the previous
commit.
"""

import argparse
import io
import json
import os
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Mapping
from pathlib import Path
from statistics import median

from benchmarks.systems import BenchmarkError
from benchmarks.table import table
from tests.support.program import ROOT

COUNTS = (32, 256)
TODAY = "today"
# The checked-out code runs this itself, so it uses only names that all such commits have.
PURCHASES = """
import asyncio, dataclasses, json, sys
from benchmarks import purchases
with purchases.stack() as running:
    rate = asyncio.run(purchases.measure(running, float(sys.argv[1])))
print(json.dumps(dataclasses.asdict(rate)))
"""
# The names of the figures, and True if a higher value is better.
FIGURES = {
    **{f"requests/s with {count} at once": True for count in COUNTS},
    "purchases/s": True,
    "pay p50 ms": False,
    "own CPU ms for a purchase": False,
}

Measured = Mapping[str, float]


def run(options: argparse.Namespace) -> None:
    """Measure and print the table. Raises BenchmarkError."""
    with tempfile.TemporaryDirectory() as folder:
        kept = Path(folder) / options.commit
        _check_out(options.commit, kept)
        sides = {options.commit: kept, TODAY: ROOT}
        runs: dict[str, list[Measured]] = {side: [] for side in sides}
        for number in range(options.rounds):
            for side, checkout in sides.items():
                runs[side].append(_measure(checkout, options.seconds))
                told = ", ".join(f"{value:,.1f}" for value in runs[side][-1].values())
                print(f"round {number + 1} of {options.rounds}: {side}: {told}", flush=True)
    print(as_table(runs[options.commit], runs[TODAY], options.commit))


def as_table(kept: list[Measured], today: list[Measured], commit: str) -> str:
    """Return a table of medians. A ratio over 1 is a gain of the present code."""
    lines = []
    for name, is_more_better in FIGURES.items():
        before, now = (median(each[name] for each in side) for side in (kept, today))
        ratio = now / before if is_more_better else before / now
        lines.append([name, f"{before:,.1f}", f"{now:,.1f}", f"{ratio:.2f}"])
    return table(["figure", commit, TODAY, "gain"], lines)


def _check_out(commit: str, folder: Path) -> None:
    """Write the files of a commit into a new folder. Raises BenchmarkError."""
    command = ["git", "-C", str(ROOT), "archive", "--format=tar", commit]
    archive = subprocess.run(command, capture_output=True, check=False)
    if archive.returncode:
        raise BenchmarkError(f"no such commit in this repository: {commit}")
    with tarfile.open(fileobj=io.BytesIO(archive.stdout)) as files:
        files.extractall(folder, filter="data")


def _measure(checkout: Path, seconds: int) -> Measured:
    with tempfile.TemporaryDirectory() as folder:
        results = Path(folder) / "results.json"
        counts = ",".join(str(count) for count in COUNTS)
        options = ["--peers", "gateway", "--rounds", "1", "--seconds", str(seconds), "--counts", counts]
        _python(checkout, "-m", "benchmarks", *options, "--results", str(results))
        rates = {row["concurrency"]: row["requests_per_second"] for row in json.loads(results.read_text())}
    purchases = json.loads(_python(checkout, "-c", PURCHASES, str(3 * seconds)).splitlines()[-1])
    figures = [
        *(rates[count] for count in COUNTS),
        purchases["per_second"],
        purchases["pay_p50_ms"],
        purchases["cpu_ms_each"],
    ]
    return dict(zip(FIGURES, figures, strict=True))


def _python(checkout: Path, *arguments: str) -> str:
    environment = {**os.environ, "PYTHONPATH": str(checkout)}
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=checkout,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise BenchmarkError(f"{checkout.name} could not be measured\n{done.stderr[-3000:]}")
    return done.stdout
