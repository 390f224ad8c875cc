"""Losses of which RabbitMQ does not tell: a reader that it has forgotten, a confirm that never comes."""

from collections.abc import Awaitable, Callable

import pytest
from pika import spec

from messaging.broker import Broker
from messaging.envelope import Envelope
from messaging.errors import PublishUncertain
from messaging.rabbitmq.broker import RabbitmqBroker
from messaging.rabbitmq.channel import AmqpChannel
from messaging.rabbitmq.publisher import Publisher
from messaging.rabbitmq.subscriptions import Subscription
from tests.support.brokers import Inbox, RabbitmqLab, command, raw_channel, within

pytestmark = pytest.mark.rabbitmq


async def send(broker: Broker) -> None:
    await broker.publish(broker.topology.commands, "risk", command(), timeout_seconds=10)


def reading_of(broker: Broker, queue: str) -> Subscription:
    assert isinstance(broker, RabbitmqBroker)
    (reading,) = (each for each in broker._subscriptions._subscriptions if each.queue == queue)
    return reading


async def make_server_forget_reader(lab: RabbitmqLab, broker: Broker, queue: str) -> None:
    """End the reading of a queue, of which the server does not tell the client."""
    reading = reading_of(broker, queue)
    assert reading.channel is not None
    # A request without an answer, of which pika does not know either.
    reading.channel.raw._send_method(spec.Basic.Cancel(reading.tag, nowait=True))  # type: ignore[attr-defined]
    await lab.nobody_reads(queue)


async def delete_queue(lab: RabbitmqLab, broker: Broker, queue: str) -> None:
    """Delete a queue, of which the server tells no client, since none of them reads it."""
    await make_server_forget_reader(lab, broker, queue)
    async with raw_channel(lab) as channel:
        await channel.ask(lambda answer: channel.raw.queue_delete(queue, callback=answer))


async def end_by_mistake(lab: RabbitmqLab, broker: Broker, queue: str) -> None:
    """End the task that reads a queue, as an error that nobody thought of would."""
    task = reading_of(broker, queue).task
    assert task is not None
    task.cancel()
    await lab.nobody_reads(queue)


@pytest.mark.parametrize("end_reading", [make_server_forget_reader, delete_queue, end_by_mistake])
async def test_a_queue_that_is_not_read_any_more_is_read_anew(
    rabbitmq: RabbitmqLab, end_reading: Callable[[RabbitmqLab, Broker, str], Awaitable[None]]
):
    rabbitmq.look_seconds = 0.1
    broker = await rabbitmq.broker()
    queue, inbox = broker.topology.service_queue("risk"), Inbox()
    await broker.declare(queue)
    await broker.consume(queue.name, inbox, prefetch=1)
    await end_reading(rabbitmq, broker, queue.name)
    await rabbitmq.somebody_reads(queue.name)
    await send(broker)
    (await inbox.next()).ack()
    assert broker.metrics()["connections_lost"] == 0


def never_confirm(message: Envelope, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lose every confirm of this message, and of no other."""
    on_confirm = Publisher._on_confirm

    def on_other_confirms(
        publisher: Publisher, channel: AmqpChannel, tag: int, multiple: bool, is_ack: bool
    ) -> None:
        everything = publisher._pending
        held = {tag: each for tag, each in everything.items() if each.message_id == message.message_id}
        publisher._pending = {tag: each for tag, each in everything.items() if tag not in held}
        on_confirm(publisher, channel, tag, multiple, is_ack)
        publisher._pending = held | publisher._pending

    monkeypatch.setattr(Publisher, "_on_confirm", on_other_confirms)


async def test_a_channel_that_never_confirms_a_message_is_replaced_and_others_are_not_kept_up(
    rabbitmq: RabbitmqLab, monkeypatch: pytest.MonkeyPatch
):
    rabbitmq.watchdog_seconds, rabbitmq.confirm_seconds = 0.05, 0.2
    stuck = command()
    never_confirm(stuck, monkeypatch)
    broker = await rabbitmq.broker()
    await broker.declare(broker.topology.service_queue("risk"))
    with pytest.raises(PublishUncertain, match="channel lost"):
        await broker.publish(broker.topology.commands, "risk", stuck, timeout_seconds=30)
    await within(broker.wait_connected())
    await send(broker)
    assert broker.metrics()["connections_lost"] == 1, "what is read is not disturbed"
    assert broker.metrics()["unconfirmed"] <= 1, "at most the watchdog's own"
