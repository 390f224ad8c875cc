"""The wrapper that runs commands with private services, tested with real ones."""

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pika
import pytest

from checkout.tryout.demo import NOTIFICATION_SECRET, WEB
from scripts.run_stack import addresses, with_urls
from scripts.services.postgresql import Postgresql
from scripts.services.process import ServiceError, free_port
from scripts.services.rabbitmq import Rabbitmq
from tests.support import environment
from tests.support.private import readable_by_others
from tests.support.program import ROOT, Program

# pytest has set Django's settings variable to the settings of tests, which have no broker.
OF_ITS_OWN = {"BROKER_URL", "DATABASE_URL", "DJANGO_SETTINGS_MODULE"}


@pytest.fixture
def folder() -> Iterator[Path]:
    """Yield a folder that PostgreSQL's user can enter, unlike `tmp_path` if we are root."""
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


@pytest.fixture
def real_stack(folder: Path, tmp_path: Path) -> Iterator[Program]:
    """Yield a running ``make up`` on its own ports."""
    try:
        Rabbitmq(folder), Postgresql(folder)
    except ServiceError as error:
        environment.missing(str(error))
    port, sandbox_port = free_port(), free_port()
    given = {name: value for name, value in os.environ.items() if name not in OF_ITS_OWN}
    program = Program(
        "up",
        [sys.executable, "-m", "scripts.run_stack"],
        log=tmp_path / "up.log",
        environment={
            **given,
            "DATA": str(folder),
            "WEB_PORT": str(port),
            "SANDBOX_PORT": str(sandbox_port),
        },
    )
    program.start()
    yield program
    program.terminate(seconds=60)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root runs PostgreSQL as another user")
def test_a_folder_that_the_user_of_postgresql_cannot_enter_is_named(folder):
    folder.chmod(0o755)
    closed = folder / "closed"
    closed.mkdir(mode=0o700)
    try:
        database = Postgresql(closed / "postgresql")
    except ServiceError as error:
        environment.missing(str(error))
    with pytest.raises(ServiceError, match=f"cannot enter {closed}. Name another folder with DATA="):
        database.start()


def test_on_other_ports_shoppers_and_notifications_are_led_there():
    made = with_urls({"WEB_PORT": "8300", "SANDBOX_PORT": "8301"})
    assert made["PUBLIC_URL"] == "http://localhost:8300"
    assert made["SANDBOX_URL"] == "http://127.0.0.1:8301"
    assert (
        made["SANDBOX_NOTIFICATION_URL"]
        == f"http://localhost:8300/notifications/sandbox/{NOTIFICATION_SECRET}/"
    )
    given = {"PUBLIC_URL": "https://pay.example", "SANDBOX_URL": "u", "SANDBOX_NOTIFICATION_URL": ""}
    assert with_urls(given) == given


@pytest.mark.slow
@pytest.mark.timeout(240)
@pytest.mark.parametrize("asked", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.long)])
def test_the_real_stack_tells_where_its_services_are_and_ends_without_an_error(real_stack, folder, asked):
    real_stack.wait_for_line("Uvicorn running on http://localhost", seconds=150)
    told = real_stack.text()
    [passwords] = re.findall(r"^A service of your own .* All are in (\S+)$", told, re.M)
    [of_broker] = re.findall(r"^  (BROKER_URL=\S.*)$", told, re.M)
    made = subprocess.run(
        ["sh", "-c", f'{of_broker}; echo "$BROKER_URL"'], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert re.fullmatch(r"amqp://checkout\.web:\S+@127\.0\.0\.1:\d+/gateway\n", made.stdout)
    with pika.BlockingConnection(pika.URLParameters(made.stdout.strip())) as connection:
        assert connection.is_open, "manage.py beside it reaches the broker"
    assert json.loads(Path(passwords).read_text())["checkout.web"] not in told
    assert "checkout.relay" in json.loads(Path(passwords).read_text())
    assert re.search(r"^  DATABASE_URL=postgres\S+$", told, re.M)
    assert re.search(r"^  SECRET_KEY=\S+$", told, re.M), "a service of one's own checks commands with it"
    [url] = re.findall(r"Uvicorn running on (http://localhost:\d+) ", told)
    assert f"The gateway will be at {url};" in told
    started = pids(folder)
    assert not readable_by_others(folder)

    # Ctrl-C in a terminal goes to all processes, while SIGTERM goes to the one that passes it on.
    (os.killpg if asked == signal.SIGINT else os.kill)(real_stack.pid, asked)

    assert real_stack.wait(seconds=90) == 0, "or make would call it an error"
    assert not any(is_running(pid) for pid in started)


def test_addresses_of_services_that_were_there_before_are_not_told(monkeypatch):
    monkeypatch.setenv("BROKER_URL", "amqp://user:secret@broker/")
    monkeypatch.setenv("DATABASE_URL", "postgres://user:secret@database/")
    monkeypatch.setenv("SECRET_KEY", "one of one's own")
    assert addresses(os.environ) == []


def test_tests_start_web_with_the_options_that_the_procfile_has():
    [web] = [line for line in (ROOT / "Procfile").read_text().splitlines() if line.startswith("web:")]
    options = re.findall(r"(--[\w-]+)(?: ([^-\s]\S*))?", web)
    source = (ROOT / "tests/support/stack.py").read_text()
    for option, value in options:
        if option not in ("--host", "--port", "--forwarded-allow-ips"):
            assert f'"{option}"' in source
            assert not value or f'"{value}"' in source
    assert len(options) > 5


def test_the_demonstration_serves_by_the_protocol_that_the_procfile_has():
    """A try-out's programmers meet the same limits and problem documents as in production."""
    [web] = [line for line in (ROOT / "Procfile").read_text().splitlines() if line.startswith("web:")]
    options = dict(re.findall(r"(--[\w-]+) ([^-\s]\S*)", web))
    for option in ("--http", "--ws-max-size", "--ws-per-message-deflate"):
        assert WEB[WEB.index(option) + 1] == options[option]
