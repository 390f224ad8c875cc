"""The wrapper that runs commands with private services, tried for real."""

import os
import signal
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from scripts.services.postgresql import Postgresql
from scripts.services.process import ServiceError
from scripts.services.rabbitmq import Rabbitmq
from tests.support import environment
from tests.support.program import Program

OF_ITS_OWN = {"BROKER_URL", "DATABASE_URL"}


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that PostgreSQL's user can reach, which those of `tmp_path` are not when we are root."""
    with tempfile.TemporaryDirectory() as name:
        yield Path(name)


@pytest.fixture
def wrapper(folder: Path, tmp_path: Path) -> Iterator[Program]:
    try:
        Rabbitmq(folder), Postgresql(folder)
    except ServiceError as error:
        environment.missing(str(error))
    command = ["sh", "-c", "echo ready $BROKER_URL $DATABASE_URL; exec sleep 50"]
    program = Program(
        "wrapper",
        [sys.executable, "-m", "scripts.with_services", "--require", "--keep", str(folder), *command],
        log=tmp_path / "wrapper.log",
        environment={name: value for name, value in os.environ.items() if name not in OF_ITS_OWN},
    )
    program.start()
    yield program
    program.terminate()


def pids(folder: Path) -> list[int]:
    node = (folder / "rabbitmq" / "node.pid").read_text()
    server = (folder / "postgresql" / "data" / "postmaster.pid").read_text().splitlines()[0]
    return [int(node), int(server)]


def is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.slow
def test_services_start_before_the_command_and_end_when_the_wrapper_is_asked_to(wrapper, folder):
    wrapper.wait_for_line("ready amqp://", seconds=45)
    started = pids(folder)
    assert all(is_running(pid) for pid in started)

    os.kill(wrapper.pid, signal.SIGTERM)

    assert wrapper.wait(seconds=40) == 128 + signal.SIGTERM
    assert not any(is_running(pid) for pid in started)
