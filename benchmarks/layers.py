"""Our channel layer compared with channels_redis' Pub/Sub layer, between two processes."""

import argparse
import json
import os
import socket
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.systems import PEER, PRODUCT, SYSTEMS, BenchmarkError
from benchmarks.table import table
from scripts.services.process import free_port
from tests.support.program import ROOT, Program
from tests.support.vhosts import fresh_vhost
from tests.support.waiting import wait_until

OURS = "messaging.channels.layer.RabbitmqChannelLayer"
REDIS = "channels_redis.pubsub.RedisPubSubChannelLayer"
# Room for all messages of a measurement, because messages above the capacity would be dropped.
CAPACITY = 20_000
MEASURE_SECONDS = 120
FIGURES = {
    "fan_out_ms": ("fan-out to 1,000, ms", "{:.2f}"),
    "messages_per_second": ("one way, messages/s", "{:,.0f}"),
    "round_trips_per_second": ("32 at once, round trips/s", "{:,.0f}"),
    "round_trip_p50_ms": ("round trip p50, ms", "{:.3f}"),
    "round_trip_p99_ms": ("round trip p99, ms", "{:.3f}"),
}

Runs = dict[str, list[dict[str, float]]]


def run(options: argparse.Namespace) -> None:
    """Measure both layers in turn and print the table. Raises BenchmarkError."""
    runs: Runs = {"gateway": [], "channels_redis pubsub": []}
    with tempfile.TemporaryDirectory() as folder, redis(Path(folder)) as redis_url:
        for number in range(options.rounds):
            with fresh_vhost() as broker_url:
                config = {"url": broker_url, "prefix": "layers", "capacity": CAPACITY}
                runs["gateway"].append(_measure(PRODUCT, OURS, config, SYSTEMS["gateway"].environment))
            runs["channels_redis pubsub"].append(_measure(PEER, REDIS, {"hosts": [redis_url]}, {}))
            print(f"round {number + 1} of {options.rounds}: both layers", flush=True)
    print(as_table(runs))


def as_table(runs: Runs) -> str:
    """Return a table of medians over the rounds, with a column for each layer."""
    lines = [
        [title, *(form.format(median(run[name] for run in of_layer)) for of_layer in runs.values())]
        for name, (title, form) in FIGURES.items()
    ]
    return table(["", *runs], lines)


@contextmanager
def redis(folder: Path) -> Iterator[str]:
    """Start a Redis server without persistence, and yield its address."""
    port = free_port()
    command = ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(folder)]
    server = Program("redis", command, log=folder / "redis.log", environment=os.environ)
    try:
        server.start()
    except FileNotFoundError:
        raise BenchmarkError("redis-server is not installed. On Debian: apt install redis-server") from None
    try:
        wait_until(lambda: _listens(port), "redis-server")
        yield f"redis://127.0.0.1:{port}"
    finally:
        server.kill()


def _listens(port: int) -> bool:
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False


def _measure(
    python: str, layer: str, config: Mapping[str, Any], environment: Mapping[str, str]
) -> dict[str, float]:
    finished = subprocess.run(
        [python, "-m", "benchmarks.layer_process", layer, json.dumps(config)],
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=MEASURE_SECONDS,
        check=False,
    )
    if finished.returncode:
        raise BenchmarkError(f"{layer}: {finished.stderr[-3000:]}")
    figures: dict[str, float] = json.loads(finished.stdout.splitlines()[-1])
    return figures
