"""A process that is in thousands of groups, as one with as many open pages is."""

import asyncio

import pytest

from messaging.broker import Broker
from messaging.envelope import Envelope
from messaging.rabbitmq.connection import supervisor
from tests.support.brokers import RabbitmqLab, reconnected, within

pytestmark = pytest.mark.rabbitmq

# More than a connection has channels.
GROUPS = [f"g{number}" for number in range(3000)]


async def join_all(broker: Broker) -> None:
    await within(asyncio.gather(*(broker.bind(broker.topology.groups, group) for group in GROUPS)))


async def send_to_all(sender: Broker) -> None:
    """Send to each group. Raises Undeliverable if a process is not in it."""
    message = Envelope(type="group.message", body=b"{}")
    exchange = sender.topology.groups
    sending = (sender.publish(exchange, group, message, timeout_seconds=30) for group in GROUPS)
    await within(asyncio.gather(*sending))


async def test_groups_that_are_joined_at_once_are_all_bound(rabbitmq: RabbitmqLab):
    broker, sender = await rabbitmq.broker(), await rabbitmq.broker()
    await join_all(broker)
    await send_to_all(sender)
    assert broker.metrics()["connections_lost"] == 0


async def test_a_slow_network_does_not_keep_a_process_with_many_groups_from_connecting_again(
    rabbitmq: RabbitmqLab, monkeypatch: pytest.MonkeyPatch
):
    broker = await rabbitmq.broker()
    await join_all(broker)
    monkeypatch.setattr(supervisor, "SET_UP_TIMEOUT_SECONDS", 8)
    rabbitmq.proxy.delay(0.006)
    rabbitmq.proxy.cut()
    await reconnected(broker)
    await send_to_all(await rabbitmq.broker())
