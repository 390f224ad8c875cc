"""Payments created through the API, beside rows inserted by a minimal view: same load and database."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median

import psycopg
import requests

from benchmarks.load import Measured, measure as load
from benchmarks.process_figures import family_cpu_seconds, figures_of, parent_of
from benchmarks.systems import (
    GATEWAY_WEB,
    PRODUCT,
    SYSTEMS,
    BenchmarkError,
    Running,
    System,
    started,
    uvicorn,
)
from benchmarks.table import table
from checkout.conf.api import TRY_OUT_API_KEY
from tests.support.databases import database, migrated_database
from tests.support.program import ROOT
from tests.support.vhosts import fresh_vhost

AT_ONCE = 16
WARM_UP_SECONDS = 3
TIMEOUT_SECONDS = 10
FLOOR = "one insert by DRF"
API = {
    **SYSTEMS["gateway"].environment,
    "DJANGO_SETTINGS_MODULE": "payments_gateway.settings",
    "CHECKOUT_API_REQUESTS": "1000000000",
}
PEERS: Mapping[str, System] = {
    "create a payment": System(web=GATEWAY_WEB, path="/api/v1/payments", environment=API),
    FLOOR: System(web=uvicorn(PRODUCT, "benchmarks.api.drf_floor:application"), path="/orders"),
}
TABLES = {"create a payment": "payments_payment", FLOOR: "benchmark_order"}


@dataclass(frozen=True)
class Created:
    """One run. The processor times are per request, of the web process and of PostgreSQL."""

    load: Measured
    web_ms: float
    database_ms: float


Runs = dict[str, list[Created]]


def measure(rounds: int, seconds: int) -> Runs:
    """Measure both systems in turn, each time with a new web process. Raises BenchmarkError."""
    runs: Runs = {name: [] for name in PEERS}
    with (
        tempfile.TemporaryDirectory() as folder,
        fresh_vhost() as broker_url,
        migrated_database() as template,
        database(template) as database_url,
    ):
        environment = {"DATABASE_URL": database_url}
        _load_example({**API, **environment, "BROKER_URL": broker_url})
        for number in range(rounds):
            for name, system in PEERS.items():
                with (
                    started(
                        name, system, broker_url, Path(folder), environment=environment, answers=_answers
                    ) as running,
                    psycopg.connect(database_url, autocommit=True) as connection,
                ):
                    created = _measure(running, connection, TABLES[name], seconds)
                runs[name].append(created)
                told = f"{created.load.requests_per_second:.0f}/s, {created.web_ms:.2f} ms of processor time"
                print(f"round {number + 1} of {rounds}: {name}: {told}", flush=True)
    return runs


def as_table(runs: Runs) -> str:
    """Return a table of medians over the rounds, with processor times relative to the minimal view's."""
    head = ["", "a second", "p50 ms", "p99 ms", "web CPU ms", "to DRF", "PostgreSQL CPU ms", "both to DRF"]
    web = {name: median(run.web_ms for run in of_name) for name, of_name in runs.items()}
    books = {name: median(run.database_ms for run in of_name) for name, of_name in runs.items()}
    floor = web[FLOOR] + books[FLOOR]
    lines = [
        [
            name,
            f"{median(run.load.requests_per_second for run in of_name):.0f}",
            f"{median(run.load.p50_ms for run in of_name):.1f}",
            f"{median(run.load.p99_ms for run in of_name):.1f}",
            f"{web[name]:.2f}",
            f"{web[name] / web[FLOOR]:.2f}",
            f"{books[name]:.2f}",
            f"{(web[name] + books[name]) / floor:.2f}",
        ]
        for name, of_name in runs.items()
    ]
    return table(head, lines)


def _measure(running: Running, connection: psycopg.Connection, rows: str, seconds: int) -> Created:
    create: Callable[..., Measured] = partial(
        load, running.address, concurrency=AT_ONCE, script="api/creates.lua", argument=TRY_OUT_API_KEY
    )
    create(seconds=WARM_UP_SECONDS)
    server = parent_of(connection.info.backend_pid)
    count, web, books = _count(connection, rows), figures_of(running.web.pid), family_cpu_seconds(server)
    measured = create(seconds=seconds)
    spent = figures_of(running.web.pid).cpu_seconds - web.cpu_seconds
    of_database = family_cpu_seconds(server) - books
    # The last requests may be answered after the load has ended.
    created = _count(connection, rows) - count
    if created < measured.requests_per_second * seconds * 0.98:
        raise BenchmarkError(f"only {created} rows were inserted: {measured}")
    return Created(measured, 1000 * spent / created, 1000 * of_database / created)


def _count(connection: psycopg.Connection, rows: str) -> int:
    row = connection.execute(f"SELECT count(*) FROM {rows}".encode()).fetchone()  # noqa: S608 (our table)
    return int(row[0]) if row else 0


def _answers(address: str) -> bool:
    """Return True if the server has started, which an empty body shows: it is refused as invalid."""
    headers = {"Authorization": f"Bearer {TRY_OUT_API_KEY}", "Idempotency-Key": "first"}
    answer = requests.post(address, json={}, headers=headers, timeout=TIMEOUT_SECONDS)
    return answer.status_code in (400, 422)


def _load_example(environment: Mapping[str, str]) -> None:
    done = subprocess.run(
        [sys.executable, "manage.py", "load_example"],
        cwd=ROOT,
        env={**os.environ, **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise BenchmarkError(f"load_example: {done.stdout}{done.stderr}")
