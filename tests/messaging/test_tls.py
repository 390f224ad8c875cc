"""RabbitMQ with TLS, set up by the commands of docs/deployment.md."""

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from scripts.services.process import free_port
from scripts.services.rabbitmq import Rabbitmq
from tests.support.pages import blocks_of, section_of, text_of
from tests.support.program import run

pytestmark = [pytest.mark.rabbitmq, pytest.mark.slow, pytest.mark.timeout(200)]

SECTION = section_of(text_of("docs/deployment.md"), "TLS to RabbitMQ")
Doctor = Callable[..., str]


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, int]]:
    """Yield the folder with the certificates, and the port of a node that has one for `localhost`."""
    folder, port = tmp_path_factory.mktemp("tls"), free_port()

    def here(text: str) -> str:
        text = text.replace("/etc/rabbitmq", str(folder))
        return text.replace("rabbit-1", "localhost").replace("5671", str(port))

    for commands in blocks_of(SECTION, "sh"):
        subprocess.run(["bash", "-ec", here(commands)], cwd=folder, check=True, capture_output=True)
    for kind in ("key", "pem"):
        (folder / f"localhost.{kind}").rename(folder / f"node.{kind}")
    (configuration,) = blocks_of(SECTION, "ini")
    settings = here(configuration).splitlines()
    # As long as processes go over to TLS; and so that the test can see when the node is ready.
    settings.remove("listeners.tcp = none")
    node = Rabbitmq(folder / "node", settings=settings)
    node.start()
    try:
        yield folder, port
    finally:
        node.stop()


@pytest.fixture
def doctor(node: tuple[Path, int]) -> Doctor:
    """Return a function that returns what `gateway doctor` says."""
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


def test_a_node_with_an_unknown_authority_is_not_talked_to(doctor: Doctor):
    assert re.search(r"broker not reached: .*certificate verify failed", doctor(trusts=False))


def test_a_node_with_another_name_is_not_talked_to(doctor: Doctor):
    assert re.search(r"broker not reached: .*certificate verify failed.*mismatch", doctor("127.0.0.1"))
