"""RabbitMQ with TLS, set up by the commands of docs/database-and-broker.md."""

import asyncio
import os
import re
import socket
import ssl
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pika
import pytest
import structlog

from messaging.rabbitmq.broker import RabbitmqBroker
from messaging.rabbitmq.connection.addresses import connection_parameters
from scripts.services.process import free_port
from scripts.services.rabbitmq import Rabbitmq
from tests.support.brokers import within
from tests.support.pages import blocks_of, section_of, text_of
from tests.support.program import run
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.rabbitmq, pytest.mark.slow, pytest.mark.timeout(200)]

SECTION = section_of(text_of("docs/database-and-broker.md"), "TLS to RabbitMQ")
Doctor = Callable[..., str]


def adapted(text: str, *, folder: Path, port: int) -> str:
    """Return commands or settings of the page, changed for a node on this machine."""
    text = text.replace("/etc/rabbitmq", str(folder))
    return text.replace("rabbit-1", "localhost").replace("5671", str(port))


def make_certificate(folder: Path, port: int) -> None:
    """Make a key and a certificate of the node as the page says, where the node reads them."""
    _, commands = blocks_of(SECTION, "sh")
    commands = adapted(commands, folder=folder, port=port)
    subprocess.run(["bash", "-ec", commands], cwd=folder, check=True, capture_output=True)
    for kind in ("key", "pem"):
        (folder / f"localhost.{kind}").replace(folder / f"node.{kind}")


@pytest.fixture
def control(node: tuple[Path, int]) -> str:
    """Return the node's `rabbitmqctl`."""
    return str(node[0] / "node" / "control")


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, int]]:
    """Yield the folder with the certificates, and the port of a node that has one for `localhost`."""
    folder, port = tmp_path_factory.mktemp("tls"), free_port()

    here = partial(adapted, folder=folder, port=port)
    authority, _ = blocks_of(SECTION, "sh")
    subprocess.run(["bash", "-ec", here(authority)], cwd=folder, check=True, capture_output=True)
    make_certificate(folder, port)
    (configuration,) = blocks_of(SECTION, "ini")
    settings = here(configuration).splitlines()
    # While processes change to TLS; and so that the test can see when the node is ready.
    settings.remove("listeners.tcp = none")
    node = Rabbitmq(folder / "node", settings=settings)
    node.start()
    try:
        # The node is ready for TCP first.
        wait_until(lambda: is_listening(port), "the node to listen for TLS")
        yield folder, port
    finally:
        node.stop()


def is_listening(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 10).close()
    except ConnectionRefusedError:
        return False
    return True


@pytest.fixture
def doctor(node: tuple[Path, int]) -> Doctor:
    """Return a function that returns the output of `gateway doctor`."""
    folder, port = node

    def ask(name: str = "localhost", *, trusts: bool = True) -> str:
        settings = {
            "DJANGO_SETTINGS_MODULE": "payments_gateway.settings",
            "DATABASE_URL": f"sqlite:///{folder}/gateway.sqlite3",
            "BROKER_URL": f"amqps://guest:guest@{name}:{port}/%2F",
        }
        if trusts:
            settings["BROKER_URL"] += f"?cafile={folder}/authority.pem"
        told = run([sys.executable, "manage.py", "gateway", "doctor"], {**os.environ, **settings})
        return " ".join(told.stdout.split())

    return ask


def test_a_node_is_reached_whose_authority_is_known(doctor: Doctor):
    assert "broker reached, version" in doctor()


def test_a_renewed_certificate_is_used_without_a_restart(node: tuple[Path, int], control: str):
    """An existing connection goes on: processes need not be restarted either."""
    folder, port = node
    context = ssl.create_default_context(cafile=folder / "authority.pem")

    def serial() -> str:
        with (
            socket.create_connection(("127.0.0.1", port), 10) as plain,
            context.wrap_socket(plain, server_hostname="localhost") as secured,
        ):
            return str(secured.getpeercert()["serialNumber"])  # type: ignore[index]

    before = serial()
    url = f"amqps://guest:guest@localhost:{port}/%2F?cafile={folder}/authority.pem"
    with pika.BlockingConnection(connection_parameters(url, "a test")) as connection:
        make_certificate(folder, port)
        (forgetting,) = re.findall(r"rabbitmqctl (eval) '(.+?)'", SECTION)
        subprocess.run([control, *forgetting], check=True, capture_output=True)
        assert serial() != before
        connection.process_data_events()
        assert connection.is_open


def test_a_node_with_an_unknown_authority_is_not_talked_to(doctor: Doctor):
    assert re.search(r"broker not reached: .*certificate verify failed", doctor(trusts=False))


def test_a_node_with_another_name_is_not_talked_to(doctor: Doctor):
    assert re.search(r"broker not reached: .*certificate verify failed.*mismatch", doctor("127.0.0.1"))


async def test_a_process_reads_the_files_of_its_address_whenever_it_connects(
    node: tuple[Path, int], control: str, tmp_path: Path
):
    folder, port = node
    authority, _ = blocks_of(SECTION, "sh")
    making = partial(subprocess.run, cwd=tmp_path, check=True, capture_output=True)
    await asyncio.to_thread(making, ["bash", "-ec", authority])
    known = tmp_path / "authority.pem"
    broker = RabbitmqBroker(f"amqps://guest:guest@localhost:{port}/%2F?cafile={known}", "renewed")

    async def said(part: str) -> None:
        while not any(part in line.get("reason", "") for line in lines):  # noqa: ASYNC110 (no event reports it)
            await asyncio.sleep(0.01)

    with structlog.testing.capture_logs() as lines:
        broker.open()
        await within(said("certificate verify failed"))
        known.write_bytes((folder / "authority.pem").read_bytes())
        await within(broker.wait_connected())
        known.write_text("")  # the file is just being written
        closing = [control, "close_all_connections", "--vhost", "/", "a test"]
        await asyncio.to_thread(subprocess.run, closing, check=True, capture_output=True)
        await within(said("cannot be used"))
        await within(broker.wait_connected())
    await broker.close()
