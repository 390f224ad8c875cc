"""A message sent just after a connection to RabbitMQ was lost waits for the next one, but not for long."""

import asyncio

import pytest

from messaging.broker import Broker
from messaging.errors import BrokerUnavailable
from messaging.rabbitmq.connection import supervisor
from tests.support.brokers import RabbitmqLab, command, within

pytestmark = pytest.mark.rabbitmq


async def send(broker: Broker, *, timeout_seconds: float = 10) -> None:
    await broker.publish(broker.topology.commands, "risk", command(), timeout_seconds=timeout_seconds)


async def both_lost(broker: Broker) -> None:
    """Wait until the broker knows that its connections are lost."""
    while broker.metrics()["connections_lost"] < 2:  # noqa: ASYNC110 (only a counter shows it)
        await asyncio.sleep(0)


async def test_what_is_sent_just_after_a_connection_was_lost_waits_for_the_next_one(rabbitmq: RabbitmqLab):
    broker = await rabbitmq.broker()
    await broker.declare(broker.topology.service_queue("risk"))
    rabbitmq.proxy.cut()
    await within(both_lost(broker))
    assert not broker.is_connected
    await send(broker)


async def test_it_waits_for_one_attempt_only(rabbitmq: RabbitmqLab):
    broker = await rabbitmq.broker()
    await rabbitmq.proxy.refuse()
    await within(both_lost(broker))
    with pytest.raises(BrokerUnavailable):
        await within(send(broker, timeout_seconds=3600))


async def test_nobody_waits_for_an_attempt_after_the_end(rabbitmq: RabbitmqLab):
    broker = await rabbitmq.broker()
    await within(broker.wait_connected())
    await broker.close()
    with pytest.raises(BrokerUnavailable):
        await within(send(broker, timeout_seconds=3600))


async def test_a_silent_node_is_not_waited_for_any_longer(
    rabbitmq: RabbitmqLab, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(supervisor, "ATTEMPT_SECONDS", 0.1)
    broker = await rabbitmq.broker()
    rabbitmq.proxy.delay(60)
    rabbitmq.proxy.cut()
    await within(both_lost(broker))
    with pytest.raises(BrokerUnavailable, match="not connected"):
        await within(send(broker, timeout_seconds=3600))
