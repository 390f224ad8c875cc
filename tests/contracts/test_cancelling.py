"""The end of a reading: messages that arrive meanwhile go back untried, and a silent broker delays nobody."""

import asyncio
import struct

import pytest
from pika import spec

from messaging.rabbitmq import direct_connection, subscriptions
from messaging.rabbitmq.broker import RabbitmqBroker
from tests.support.brokers import Inbox, RabbitmqLab, command, within

pytestmark = pytest.mark.rabbitmq

NACK = struct.pack(">I", spec.Basic.Nack.INDEX)


async def test_a_message_that_arrives_after_the_cancellation_goes_back_untried(
    rabbitmq: RabbitmqLab, vhost: str
):
    """RabbitMQ 4.3 and newer count a rejected message as tried, and no other."""
    broker, inbox, successor = await rabbitmq.broker(), Inbox(), Inbox()
    elsewhere, sent = RabbitmqBroker(vhost, rabbitmq.prefix), command()
    queue = broker.topology.service_queue("risk")
    await broker.declare(queue)
    consumption = await broker.consume(queue.name, inbox, prefetch=1)
    elsewhere.open()
    await within(elsewhere.wait_connected())
    rabbitmq.hold()
    await elsewhere.publish(broker.topology.commands, "risk", sent, timeout_seconds=10)
    cancelling = asyncio.ensure_future(consumption.cancel())
    await elsewhere.consume(queue.name, successor, prefetch=1)
    rabbitmq.proxy.lose_answer_to(NACK)
    rabbitmq.proxy.let_go()
    await within(cancelling)
    again = await successor.next()
    assert again.envelope is not None
    assert again.envelope.message_id == sent.message_id
    assert not len(inbox)
    # pika's public interface rejects it before we see it.
    assert rabbitmq.proxy.has_lost_answer is direct_connection.is_possible(), "given back by basic.nack"
    again.ack()
    await elsewhere.close()


async def test_a_broker_that_does_not_answer_does_not_delay_the_end_of_a_reading(
    rabbitmq: RabbitmqLab, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(subscriptions, "CANCEL_SECONDS", 0.1)
    rabbitmq.watchdog_seconds = 3600
    broker = await rabbitmq.broker()
    queue = broker.topology.service_queue("risk")
    await broker.declare(queue)
    consumption = await broker.consume(queue.name, Inbox(), prefetch=1)
    rabbitmq.hold()
    await within(asyncio.ensure_future(consumption.cancel()))
    await within(asyncio.ensure_future(consumption.release()))
    assert broker.metrics()["connections_lost"] == 0
