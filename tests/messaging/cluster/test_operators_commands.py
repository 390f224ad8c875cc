"""The commands of docs/database-and-broker.md for queues on a cluster do what the page says."""

import re
import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path

import pika
import pytest

from messaging.rabbitmq.connection.addresses import connection_parameters
from messaging.topology import Topology
from tests.support.cluster import Cluster
from tests.support.program import ROOT

pytestmark = [pytest.mark.rabbitmq, pytest.mark.long, pytest.mark.timeout(300)]

PAGE = (ROOT / "docs" / "database-and-broker.md").read_text()
QUEUE = "checkout.commands.risk"


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    with Cluster(tmp_path) as cluster:
        yield cluster


def from_the_page(cluster: Cluster, beginning: str) -> None:
    """Run the only command on the page with this beginning, for the last node if it names a node."""
    (command,) = set(re.findall(rf"`({re.escape(beginning)}[^`]*)`", PAGE))
    tool, *arguments = shlex.split(command.replace("rabbit@rabbit-3", cluster.nodes[2].node))
    cluster.nodes[0].run(tool, *arguments)


def state(cluster: Cluster, column: str) -> str:
    (line,) = (
        line
        for line in cluster.nodes[0].run("rabbitmqctl", "list_queues", "name", column).splitlines()
        if line.startswith(QUEUE)
    )
    return line.removeprefix(QUEUE).strip()


@pytest.fixture
def queue(cluster: Cluster) -> None:
    """Make the queue, with a copy on each node."""
    risk = Topology("checkout").service_queue("risk")
    with pika.BlockingConnection(connection_parameters(cluster.url, "a test")) as connection:
        connection.channel().queue_declare(risk.name, durable=True, arguments=dict(risk.arguments))


@pytest.mark.usefixtures("queue")
def test_a_node_without_its_disk_joins_again_and_gets_its_copies(cluster: Cluster):
    lost = cluster.nodes[2]
    lost.kill()
    shutil.rmtree(lost.folder / "data")
    from_the_page(cluster, "rabbitmqctl forget_cluster_node")
    lost.start()
    assert lost.node not in state(cluster, "members")
    from_the_page(cluster, "rabbitmq-queues grow rabbit")
    assert lost.node in state(cluster, "members")


@pytest.mark.usefixtures("queue")
def test_copies_leaders_and_limits_are_changed(cluster: Cluster):
    last = cluster.nodes[2].node
    assert last in state(cluster, "members")
    from_the_page(cluster, "rabbitmq-queues shrink rabbit")
    assert last not in state(cluster, "members")
    from_the_page(cluster, "rabbitmq-queues grow rabbit")
    assert last in state(cluster, "members")
    from_the_page(cluster, "rabbitmq-queues rebalance quorum")
    from_the_page(cluster, "rabbitmqctl set_policy")
    assert '"max-length">>, 5000' in state(cluster, "effective_policy_definition")
    from_the_page(cluster, "rabbitmqctl clear_policy")
    assert "max-length" not in state(cluster, "effective_policy_definition")
