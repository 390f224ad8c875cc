"""The load generator for every system: wrk, which posts again on each connection after each answer."""

import json
import resource
import subprocess
from dataclasses import dataclass

from benchmarks.systems import BenchmarkError
from tests.support.program import ROOT

_FOLDER = ROOT / "benchmarks"


@dataclass(frozen=True)
class Measured:
    """One run. `load_share` is the share of one core that the load generator itself used."""

    requests_per_second: float
    p50_ms: float
    p99_ms: float
    load_share: float


def measure(
    address: str, *, concurrency: int, seconds: int, script: str = "load.lua", argument: str = ""
) -> Measured:
    """Post over so many concurrent connections. Raises BenchmarkError for any wrong answer.

    `argument` is passed to `script`, which by default posts the command.
    """
    command = ["wrk", "--threads", "1", "--connections", str(concurrency), "--duration", f"{seconds}s"]
    command += ["--timeout", "30s", "--script", str(_FOLDER / script), address]
    command += ["--", argument or str(_FOLDER / "command.json")]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    finished = subprocess.run(command, capture_output=True, text=True, check=False)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if finished.returncode:
        raise BenchmarkError(f"wrk: {finished.stdout}{finished.stderr}")
    told = json.loads(finished.stdout.splitlines()[-1])
    if told["bad_answers"] or told["broken"] or not told["requests"]:
        raise BenchmarkError(f"{address} at {concurrency}: {told}")
    spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    duration = told["microseconds"] / 1e6
    return Measured(
        requests_per_second=told["requests"] / duration,
        p50_ms=told["p50"] / 1000,
        p99_ms=told["p99"] / 1000,
        load_share=spent / duration,
    )
