"""The doctor names faults of a cluster's nodes, and the command that mends each."""

from collections.abc import Iterator
from pathlib import Path

import pika
import pytest

from checkout.management.gateway.doctor.nodes import findings
from messaging.rabbitmq.connection.addresses import connection_parameters
from messaging.topology import Topology
from tests.support.cluster import Cluster, paused
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.rabbitmq, pytest.mark.long, pytest.mark.timeout(300)]

QUEUE = "checkout.commands.risk"


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    with Cluster(tmp_path) as cluster:
        yield cluster


def declare(cluster: Cluster, copies: int) -> None:
    risk = Topology("checkout", copies).service_queue("risk")
    with pika.BlockingConnection(connection_parameters(cluster.url, "a test")) as connection:
        connection.channel().queue_declare(risk.name, durable=True, arguments=dict(risk.arguments))


def found(cluster: Cluster) -> dict[str, str]:
    """Return the advice for each fault that was found."""
    told = findings(cluster.environment["RABBITMQ_CONTROL"], [QUEUE])
    return {each.text: each.advice for each in told if not each.is_ok}


def test_nodes_that_are_away_or_drained_and_queues_without_their_copies_are_named(cluster: Cluster):
    declare(cluster, 3)
    assert found(cluster) == {}
    first, second, third = cluster.nodes
    third.stop()
    assert "before any other node is stopped" in found(cluster)[f"node {third.node} is away"]
    second.stop()
    assert "Start the nodes" in found(cluster)["1 of 3 nodes run, no majority: nothing can be published"]
    cluster.start_nodes([second, third])
    second.run("rabbitmq-upgrade", "drain")
    assert "rabbitmq-upgrade revive" in found(cluster)[f"node {second.node} is drained"]
    second.run("rabbitmq-upgrade", "revive")
    first.run("rabbitmqctl", "set_disk_free_limit", "900GB")
    wait_until(lambda: f"node {first.node}: disk alarm" in found(cluster), "the alarm to be named")


def test_a_queue_that_was_made_with_too_few_copies_is_named_with_the_command_that_grows_it(cluster: Cluster):
    declare(cluster, 1)
    advice = found(cluster)[f"queue {QUEUE}: copies on 1 of 3 nodes"]
    cluster.nodes[0].run(*advice.split())
    assert f"queue {QUEUE}: copies on 2 of 3 nodes" in found(cluster)


def test_a_node_that_was_paused_joins_the_others_again_by_itself(cluster: Cluster):
    away = cluster.nodes[2]
    with paused(away):
        wait_until(lambda: f"node {away.node} is away" in found(cluster), "the silence to be noticed")
    wait_until(lambda: found(cluster) == {}, "the node to join the others")
