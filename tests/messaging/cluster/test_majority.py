"""A message counts as published when a majority of the nodes has it, and never before."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest.mock import patch

import pytest

from messaging.broker import OnConfirm
from messaging.envelope import Envelope
from messaging.errors import MessagingError, PublishUncertain
from messaging.rabbitmq.broker import RabbitmqBroker
from messaging.rabbitmq.publisher import Publisher
from tests.support.brokers import Inbox, command, within
from tests.support.cluster import Cluster

pytestmark = [pytest.mark.rabbitmq, pytest.mark.long, pytest.mark.timeout(300)]

TRIES = 5


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    """Yield a cluster in which a node without a majority goes on serving clients, the hardest case."""
    with Cluster(tmp_path) as cluster:
        yield cluster


@pytest.fixture
async def broker(cluster: Cluster) -> AsyncIterator[RabbitmqBroker]:
    """Yield a broker that is connected to the last node, and to others if that one is lost."""
    broker = RabbitmqBroker(cluster.url_near(cluster.nodes[2]), "checkout", zone="localhost")
    broker.open()
    await within(broker.wait_connected())
    yield broker
    await broker.close()


@contextmanager
def believing() -> Iterator[None]:
    """Count every sent message as confirmed: the fault that the test must detect."""
    publish = Publisher.publish_nowait

    def believe(
        publisher: Publisher, exchange: str, routing_key: str, envelope: Envelope, on_confirm: OnConfirm
    ) -> None:
        publish(publisher, exchange, routing_key, envelope, lambda error: None)
        on_confirm(None)

    with patch.object(Publisher, "publish_nowait", believe):
        yield


async def published_without_a_majority(cluster: Cluster, broker: RabbitmqBroker) -> list[str]:
    """Publish at a node that is cut off and then killed. Return the ids of the confirmed messages."""
    confirmed = []
    cutting = cluster.cut_off(cluster.nodes[2])
    await asyncio.to_thread(cutting.__enter__)
    for _ in range(TRIES):
        message = command()
        try:
            await broker.publish(broker.topology.commands, "risk", message, timeout_seconds=1)
        except PublishUncertain:
            continue
        else:
            confirmed.append(message.message_id)
    await asyncio.to_thread(cluster.nodes[2].kill)
    await asyncio.to_thread(cutting.__exit__, None, None, None)
    await asyncio.to_thread(cluster.nodes[2].start)
    return confirmed


async def lost(cluster: Cluster, broker: RabbitmqBroker) -> set[str]:
    """Return the ids of messages that were confirmed without a majority, and are lost."""
    queue = broker.topology.service_queue("risk")
    await broker.declare(queue)
    confirmed = await published_without_a_majority(cluster, broker)
    await within(broker.wait_connected())
    last = command()
    while True:
        try:
            await broker.publish(broker.topology.commands, "risk", last, timeout_seconds=10)
        except MessagingError:
            await asyncio.sleep(0.1)
        else:
            break
    inbox, found = Inbox(), set()
    await broker.consume(queue.name, inbox, prefetch=100, auto_ack=True)
    while last.message_id not in found:
        envelope = (await inbox.next()).envelope
        assert envelope is not None
        found.add(envelope.message_id)
    return set(confirmed) - found


async def test_nothing_that_was_confirmed_is_lost_with_a_node_without_a_majority(
    cluster: Cluster, broker: RabbitmqBroker
):
    assert await lost(cluster, broker) == set()


async def test_a_publisher_that_believes_what_was_not_confirmed_loses_messages(
    cluster: Cluster, broker: RabbitmqBroker
):
    with believing():
        assert await lost(cluster, broker)
