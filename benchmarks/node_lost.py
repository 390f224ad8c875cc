"""Requests held by two web processes while a node of the RabbitMQ cluster is killed, and their answers."""

import argparse
import tempfile
import threading
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path
from urllib.parse import urljoin

import requests

from benchmarks.crowd import OK, answers, request_of
from benchmarks.held import ENVIRONMENT, allow_files
from benchmarks.systems import BODY, SYSTEMS, Running, started
from benchmarks.table import table
from tests.support.cluster import Cluster
from tests.support.program import Program
from tests.support.waiting import wait_until

HELD = 10_000
WEBS = 2
# Few enough for two cores, which also run the nodes, the worker and the clients.
PER_SECOND = 500
# The worker answers when all requests are held, and the node is dead.
HOLD_SECONDS = 13.0
BUDGET_SECONDS = 16.0


def run(options: argparse.Namespace) -> None:
    """Measure and print the table. Raises BenchmarkError."""
    count = (options.counts[0] if options.counts else HELD) // WEBS
    allow_files(2 * count * WEBS + 500)
    with ExitStack() as closing:
        folder = Path(closing.enter_context(tempfile.TemporaryDirectory()))
        cluster = Cluster(folder / "rabbitmq")
        closing.callback(cluster.stop)
        cluster.start()
        webs = [_web(closing, cluster, folder, number) for number in range(WEBS)]
        _start_worker(closing, cluster, folder, webs)
        # The node of the first web process dies when all requests are held.
        killing = threading.Timer(count / PER_SECOND + 0.5, cluster.nodes[0].kill)
        killing.start()
        with ThreadPoolExecutor(WEBS) as crowds:
            told = list(crowds.map(lambda web: _answers(web, count), webs))
        killing.join()
    head = ["web process", "held", "200", "other answers", "not answered", "longest s beyond the budget"]
    print(table(head, [_line(name, count, seen) for name, seen in zip(NAMES, told, strict=True)]))


NAMES = ("on the node that died", "on another node")


def _web(closing: ExitStack, cluster: Cluster, folder: Path, number: int) -> Running:
    """Start a web process that connects first to the node of this number."""
    place = folder / str(number)
    place.mkdir()
    environment = {
        **ENVIRONMENT,
        "HOLD_SECONDS": str(HOLD_SECONDS),
        "CHECKOUT_REPLY_BUDGET_SECONDS": str(BUDGET_SECONDS),
        "CHECKOUT_BROKER_ZONE": "localhost",
    }
    near = cluster.url_near(cluster.nodes[number])
    web = replace(SYSTEMS["gateway"], worker=())
    running = started("gateway", web, near, place, environment=environment, answers=_is_ready)
    return closing.enter_context(running)


def _is_ready(address: str) -> bool:
    return requests.get(urljoin(address, "/livez"), timeout=5).ok


def _start_worker(closing: ExitStack, cluster: Cluster, folder: Path, webs: Sequence[Running]) -> None:
    """Start the worker, which connects first to the last node, and wait until it answers."""
    url = cluster.url_near(cluster.nodes[-1])
    worker = Program(
        "worker",
        SYSTEMS["gateway"].worker,
        log=folder / "worker.log",
        environment={**webs[0].environment, "BROKER_URL": url},
    )
    worker.start()
    closing.callback(worker.kill)
    for web in webs:
        wait_until(partial(_is_answered, web), "an answer of the worker", seconds=40)


def _is_answered(web: Running) -> bool:
    return requests.post(web.address, BODY, headers={"Content-Type": "application/json"}, timeout=40).ok


def _answers(web: Running, count: int) -> list[tuple[str, float]]:
    request = request_of("POST", web.address, BODY)
    return answers(web.address, request, count, PER_SECOND, lambda: None)


def _line(name: str, count: int, told: list[tuple[str, float]]) -> list[str]:
    statuses = Counter(status for status, _ in told)
    good = statuses.pop(OK, 0)
    others = ", ".join(f"{number:,} of {status or 'no status'}" for status, number in statuses.items())
    longest = max(seconds for _, seconds in told) - BUDGET_SECONDS
    return [name, f"{count:,}", f"{good:,}", others or "none", f"{count - len(told):,}", f"{longest:.1f}"]
