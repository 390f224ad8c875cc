"""A process goes on when a node of the broker is lost, even the one with the process's own queue."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack

import pytest
import structlog

from messaging.broker import Broker
from messaging.errors import PublishRefused
from messaging.rabbitmq.broker import RabbitmqBroker
from scripts.services.rabbitmq import Rabbitmq
from tests.support.brokers import Inbox, command, within
from tests.support.cluster import Cluster
from tests.support.proxy import Proxy

pytestmark = [pytest.mark.rabbitmq, pytest.mark.long, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with Cluster(tmp_path_factory.mktemp("cluster")) as cluster:
        yield cluster


@pytest.fixture
async def processes(cluster: Cluster) -> AsyncIterator[list[RabbitmqBroker]]:
    """Yield the brokers of two processes: the first is connected to the first node, the other to the last."""
    async with AsyncExitStack() as closing:
        brokers = []
        for node in (cluster.nodes[0], cluster.nodes[2]):
            others = [each for each in cluster.nodes if each is not node]
            hosts = ",".join([f"localhost:{node.port}", *(f"127.0.0.1:{each.port}" for each in others)])
            broker = RabbitmqBroker(f"amqp://guest:guest@{hosts}/%2F", "checkout", zone="localhost")
            closing.push_async_callback(broker.close)
            broker.open()
            await within(broker.wait_connected())
            brokers.append(broker)
        yield brokers


async def is_published(sender: Broker, receiver: Broker) -> bool:
    """Return True once a message to the receiver's own queue is confirmed."""
    try:
        await sender.publish(
            sender.topology.replies, receiver.reply_queue.name, command(), timeout_seconds=10
        )
    except PublishRefused:
        return False
    return True


async def until_published(sender: Broker, receiver: Broker) -> None:
    while not await is_published(sender, receiver):  # noqa: ASYNC110 (nothing tells of it)
        await asyncio.sleep(0.05)


async def test_a_process_whose_own_queue_was_on_a_lost_node_is_reached_at_its_address_again(
    cluster: Cluster, processes: list[RabbitmqBroker]
):
    here, elsewhere = processes
    received = Inbox()
    here.reply_queue.deliver = received  # type: ignore[method-assign]
    await here.bind(here.topology.groups, "group")
    assert await is_published(elsewhere, here)
    await received.next()

    cluster.nodes[0].kill()
    await within(lost_and_back(here))
    await within(until_published(elsewhere, here))
    assert (await received.next()).envelope is not None
    # The groups of the process are bound again.
    await elsewhere.publish(here.topology.groups, "group", command(), timeout_seconds=10)
    await received.next()

    lost = here.metrics()["connections_lost"]
    await asyncio.to_thread(cluster.nodes[0].start)
    await until_published(elsewhere, here)
    await received.next()
    assert here.is_connected
    assert here.metrics()["connections_lost"] == lost


@pytest.mark.parametrize("is_drained", [False, True])
async def test_a_process_whose_own_queue_is_on_a_node_that_stops_is_back_at_the_first_attempt(
    cluster: Cluster, processes: list[RabbitmqBroker], is_drained: bool
):
    """The process does not wait for its queue, which can be neither declared nor deleted at that time."""
    here, elsewhere = processes
    received = Inbox()
    here.reply_queue.deliver = received  # type: ignore[method-assign]
    await here.bind(here.topology.groups, "group")
    stopped = cluster.nodes[0]
    await asyncio.to_thread(stopped.run, "rabbitmq-upgrade", "await_online_quorum_plus_one")
    try:
        with structlog.testing.capture_logs() as lines:
            stopping = asyncio.create_task(
                asyncio.to_thread(cluster.retire if is_drained else Rabbitmq.stop, stopped)
            )
            await within(lost_and_back(here))
            await within(until_published(elsewhere, here))
            assert (await received.next()).envelope is not None
            await stopping
            # The abandoned queue must not refuse a copy of each message, or senders would repeat it.
            assert await is_published(elsewhere, here)
            await received.next()
            await elsewhere.publish(here.topology.groups, "group", command(), timeout_seconds=10)
            await received.next()
    finally:
        await asyncio.to_thread(stopped.start)
    reasons = [str(line.get("reason")) for line in lines if line["event"] != "broker connection lost"]
    assert not [reason for reason in reasons if "541" in reason or "cannot be read" in reason], reasons
    assert "broker not reachable" not in [line["event"] for line in lines]


def address_of(node: Rabbitmq) -> str:
    return f"amqp://guest:guest@{node.address}:{node.port}/%2F"


async def test_a_process_that_knows_one_address_for_all_nodes_goes_on_at_another_node(
    cluster: Cluster, processes: list[RabbitmqBroker]
):
    """A load balancer in front of the nodes has one address, like a broker that is run by somebody else."""
    elsewhere, lost, received = processes[1], cluster.nodes[1], Inbox()
    balancer = Proxy(address_of(lost))
    await balancer.accept()
    here = RabbitmqBroker(balancer.url, "checkout")
    here.reply_queue.deliver = received  # type: ignore[method-assign]
    here.open()
    await within(here.wait_connected())
    assert await is_published(elsewhere, here)
    await received.next()
    lost.kill()
    balancer.lead_to(address_of(cluster.nodes[2]))
    try:
        await within(lost_and_back(here))
        await within(until_published(elsewhere, here))
        await received.next()
    finally:
        await here.close()
        await balancer.close()
        await asyncio.to_thread(lost.start)


async def lost_and_back(broker: RabbitmqBroker) -> None:
    while not broker.metrics()["connections_lost"]:  # noqa: ASYNC110 (only a counter shows it)
        await asyncio.sleep(0.01)
    await broker.wait_connected()
