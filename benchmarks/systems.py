"""The compared systems, each with one web process and one worker process."""

import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import requests

from scripts.services.process import free_port
from tests.support.program import ROOT, Program
from tests.support.waiting import wait_until

PRODUCT = sys.executable
PEER = str(ROOT / ".venv-bench" / "bin" / "python")
PORT = "{port}"
START_SECONDS = 40

# 300 bytes, like a command of a shop.
BODY = (ROOT / "benchmarks" / "command.json").read_bytes().strip()


class BenchmarkError(Exception):
    """A system failed to do its work, so it cannot be measured."""


@dataclass(frozen=True)
class System:
    """The commands of a web process, which listens on `PORT`, and of a worker. `path` takes the POST."""

    web: Sequence[str]
    worker: Sequence[str] = ()
    path: str = "/"
    environment: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Running:
    """A running system. POST to `address`; `environment` is that of its processes."""

    address: str
    web: Program
    environment: Mapping[str, str]


def uvicorn(python: str, application: str, *options: str) -> list[str]:
    """Return the command that serves an ASGI application."""
    listening = ["--host", "127.0.0.1", "--port", PORT]
    quiet = ["--no-access-log", "--log-level", "warning"]
    return [python, "-m", "uvicorn", application, *listening, *quiet, *options]


# The same options as in the Procfile.
GATEWAY_WEB = uvicorn(
    PRODUCT,
    "payments_gateway.asgi:application",
    *("--http", "payments_gateway.serving.http.protocol:HardenedHttpProtocol"),
    *("--timeout-graceful-shutdown", "24", "--ws-max-size", "4096"),
    *("--ws-per-message-deflate", "false"),
)
_GUNICORN = ["-m", "gunicorn", "benchmarks.peers.celery_web:application", "--bind", f"127.0.0.1:{PORT}"]
_CELERY = ["-m", "celery", "--app", "benchmarks.peers.celery_app", "worker", "--loglevel", "error"]

SYSTEMS: dict[str, System] = {
    "gateway": System(
        web=GATEWAY_WEB,
        worker=[PRODUCT, "-m", "benchmarks.gateway.worker"],
        path="/checkout/benchmark/",
        environment={
            "DEBUG": "false",
            "CHECKOUT_TRY_OUT": "true",
            "CHECKOUT_SINGLE_BROKER_USER": "true",  # as the other systems do
            "DJANGO_SETTINGS_MODULE": "benchmarks.gateway.settings",
            "CHECKOUT_REPLY_BUDGET_SECONDS": "30",
            # Nothing listens there. The measured request needs no database, and the process starts without
            # one.
            "DATABASE_URL": "postgres://nobody@127.0.0.1:9/none",
        },
    ),
    "node": System(
        web=["node", "benchmarks/node/plain_web.js"], worker=["node", "benchmarks/node/plain_worker.js"]
    ),
    "node-same-guarantees": System(
        web=["node", "benchmarks/node/guaranteed_web.js"],
        worker=["node", "benchmarks/node/guaranteed_worker.js"],
    ),
    "faststream": System(
        web=uvicorn(PEER, "benchmarks.peers.faststream_web:app"),
        worker=[PEER, "-m", "benchmarks.peers.faststream_worker"],
    ),
    "aio-pika": System(
        web=uvicorn(PEER, "benchmarks.peers.aio_pika_web:app"),
        worker=[PEER, "-m", "benchmarks.peers.aio_pika_worker"],
    ),
    "celery": System(
        web=[PEER, *_GUNICORN, "--worker-class", "gthread", "--threads", "64", "--keep-alive", "60"],
        worker=[PEER, *_CELERY, "--pool", "solo", "--without-gossip", "--without-mingle"],
    ),
    "django-floor": System(web=uvicorn(PEER, "benchmarks.peers.django_floor:application")),
}


@contextmanager
def running(name: str, broker_url: str, folder: Path, **environment: str) -> Iterator[Running]:
    """Start a system, wait until it works, and stop it afterwards. Raises BenchmarkError."""
    with started(
        name, SYSTEMS[name], broker_url, folder, environment=environment, answers=_answers
    ) as system:
        yield system


@contextmanager
def started(
    name: str,
    system: System,
    broker_url: str,
    folder: Path,
    *,
    environment: Mapping[str, str],
    answers: Callable[[str], bool],
) -> Iterator[Running]:
    """Start a system that may be missing from `SYSTEMS`. `answers` tells whether it works at an address."""
    port = str(free_port())
    settings = {**os.environ, **system.environment, **environment, "BROKER_URL": broker_url, "PORT": port}
    commands = {"worker": system.worker, "web": system.web}
    address = f"http://127.0.0.1:{port}{system.path}"
    with ExitStack() as closing:
        programs = {}
        for kind, command in commands.items():
            if not command:
                continue
            program = programs[kind] = Program(
                f"{name} {kind}",
                [part.replace(PORT, port) for part in command],
                log=folder / f"{name}-{kind}.log",
                environment=settings,
            )
            program.start()
            closing.callback(program.kill)
            closing.callback(_stop, program)
        try:
            wait_until(
                lambda: _works(address, programs, answers), f"an answer of {name}", seconds=START_SECONDS
            )
        except AssertionError as error:
            logs = "\n".join(f"--- {each.name}\n{each.text()[-3000:]}" for each in programs.values())
            raise BenchmarkError(f"{error}\n{logs}") from None
        yield Running(address, programs["web"], settings)


def _works(address: str, programs: Mapping[str, Program], answers: Callable[[str], bool]) -> bool:
    for program in programs.values():
        if not program.is_alive:
            raise AssertionError(f"{program.name} has ended")
    with suppress(requests.RequestException):
        return answers(address)
    return False


def _answers(address: str) -> bool:
    """Return True if the system answers correctly. Until the worker is ready, the answer may take long."""
    headers = {"Content-Type": "application/json"}
    answer = requests.post(address, BODY, headers=headers, timeout=START_SECONDS)
    return answer.status_code == 200 and answer.json()["status"] == "done"


def _stop(program: Program) -> None:
    if program.is_alive:
        program.terminate(seconds=10)
