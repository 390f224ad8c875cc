"""Purchases on a RabbitMQ cluster of three nodes, compared with one node, in one run on one machine."""

import argparse
import asyncio
import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path

from benchmarks.purchases import ENVIRONMENT, Rate, as_table, measure
from tests.support.cluster import Cluster
from tests.support.databases import database, migrated_database
from tests.support.stack import Stack

SIZES = {"one node": 1, "three nodes": 3}


def run(options: argparse.Namespace) -> None:
    """Measure and print the table. Raises BenchmarkError."""
    runs: dict[str, list[Rate]] = {name: [] for name in SIZES}
    for number in range(options.rounds):
        for name, size in SIZES.items():
            with stack(size) as running:
                rate = asyncio.run(measure(running, 3 * options.seconds))
            runs[name].append(rate)
            told = f"{rate.per_second:.1f} purchases/s"
            print(f"round {number + 1} of {options.rounds}: {name}: {told}", flush=True)
    print(as_table(runs, "RabbitMQ"))


@contextlib.contextmanager
def stack(size: int) -> Iterator[Stack]:
    """Yield the product's processes, one of each, on a broker of so many nodes and a new database."""
    with (
        tempfile.TemporaryDirectory() as folder,
        migrated_database() as template,
        database(template) as database_url,
    ):
        cluster = Cluster(Path(folder) / "rabbitmq", size)
        try:
            cluster.start()
            with Stack(
                Path(folder),
                broker_url=cluster.url,
                database_url=database_url,
                control=cluster.environment["RABBITMQ_CONTROL"],
                environment=ENVIRONMENT,
            ) as running:
                yield running
        finally:
            cluster.stop()
