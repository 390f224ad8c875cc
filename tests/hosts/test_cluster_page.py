"""Three machines with systemd become a RabbitMQ cluster as the page says, and get a new release."""

import json
import re
import secrets
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import PurePosixPath

import pytest

from tests.support.hosts import network
from tests.support.machine import Machine, machine
from tests.support.pages import block_of, section_of, text_of

pytestmark = [pytest.mark.long, pytest.mark.timeout(600)]

SECTION = section_of(text_of("docs/database-and-broker.md"), "A cluster of RabbitMQ nodes")
NAMES = ("rabbit-1", "rabbit-2", "rabbit-3")
OF_RABBITMQ = PurePosixPath("/etc/rabbitmq")


@pytest.fixture(scope="module")
def nodes() -> Iterator[list[Machine]]:
    """Yield three machines, on each of which Debian has started a RabbitMQ node."""
    with ExitStack() as closing:
        hosts = closing.enter_context(network(NAMES))
        names = "\n".join(f"{host.address} {name}" for name, host in hosts.items())
        made = [closing.enter_context(machine(name, host=hosts[name], names=names)) for name in NAMES]
        for each in made:
            each.run("systemctl start rabbitmq-server")
        yield made


def test_the_nodes_join_and_are_upgraded_one_after_the_other(nodes: list[Machine]):
    cookie = secrets.token_hex(10)
    for node in nodes:
        node.run("systemctl stop rabbitmq-server")
        node.run(f"echo -n {cookie} > /var/lib/rabbitmq/.erlang.cookie; rm -rf /var/lib/rabbitmq/mnesia/*")
        settings = block_of(SECTION, opening="cluster_formation")
        node.run(f"cat > {OF_RABBITMQ / 'rabbitmq.conf'} <<'END'\n{settings}\nEND")
        [advanced] = re.findall(r"`(\[\{kernel, .*?\.)`", SECTION)
        node.run(f"echo '{advanced}' > {OF_RABBITMQ / 'advanced.config'}")
    for node in nodes:
        node.run("systemctl start --no-block rabbitmq-server")
    for node in nodes:
        node.run("systemctl start rabbitmq-server")  # this waits until the node has started
    assert running(nodes[0]) == {f"rabbit@{name}" for name in NAMES}
    nodes[0].run(block_of(SECTION, opening="rabbitmqctl enable_feature_flag"))
    assert nodes[2].run("rabbitmqctl eval 'rabbit_khepri:is_enabled().'").strip() == "true"
    assert nodes[2].run("rabbitmqctl eval 'net_kernel:get_net_ticktime().'").strip() == "10"
    for node in nodes:
        upgrade = block_of(SECTION, opening="rabbitmq-upgrade")
        node.run(upgrade.replace("apt install", "apt-get --simulate install"))
        assert running(node) == {f"rabbit@{name}" for name in NAMES}


def running(node: Machine) -> set[str]:
    """Return the nodes to which this one is connected, itself included."""
    status = node.run("rabbitmqctl --quiet cluster_status --formatter json")
    return {*json.loads(status)["running_nodes"]}
