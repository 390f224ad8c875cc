"""Losses that RabbitMQ does not report: a reader that it has forgotten, a confirm that never comes."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from pika import spec
from pika.exceptions import AMQPConnectionError

from messaging.broker import Broker
from messaging.envelope import Envelope
from messaging.errors import PublishUncertain, Undeliverable
from messaging.rabbitmq import subscriptions
from messaging.rabbitmq.broker import RabbitmqBroker
from messaging.rabbitmq.channel import AmqpChannel
from messaging.rabbitmq.connection.link import Link
from messaging.rabbitmq.declaring import count_readers
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
    """End the reading of a queue at the server, without telling the client."""
    reading = reading_of(broker, queue)
    assert reading.channel is not None
    # A request without an answer, of which pika does not know either.
    reading.channel.raw._send_method(spec.Basic.Cancel(reading.tag, nowait=True))  # type: ignore[attr-defined]
    await lab.nobody_reads(queue)


async def delete_queue(lab: RabbitmqLab, broker: Broker, queue: str) -> None:
    """Delete a queue that no client reads, so that the server tells none of them."""
    await make_server_forget_reader(lab, broker, queue)
    await lab.delete(queue)


async def end_by_mistake(lab: RabbitmqLab, broker: Broker, queue: str) -> None:
    """End the task that reads a queue, as an unexpected error would."""
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


async def remove_exchange(lab: RabbitmqLab, broker: Broker) -> None:
    """Delete an exchange, and declare it again without its bindings, as an import of definitions does."""
    async with raw_channel(lab) as channel:
        exchange = broker.topology.commands
        await channel.ask(lambda answer: channel.raw.exchange_delete(exchange, callback=answer))
        await channel.ask(
            lambda answer: channel.raw.exchange_declare(exchange, "topic", durable=True, callback=answer)
        )


async def remove_binding(lab: RabbitmqLab, broker: Broker) -> None:
    topology = broker.topology
    async with raw_channel(lab) as channel:
        await channel.ask(
            lambda answer: channel.raw.queue_unbind(
                topology.service_queue("risk").name, topology.commands, "risk", callback=answer
            )
        )


@pytest.mark.parametrize("remove", [remove_exchange, remove_binding])
async def test_a_binding_that_an_operator_has_removed_is_made_again(
    rabbitmq: RabbitmqLab, remove: Callable[[RabbitmqLab, Broker], Awaitable[None]]
):
    rabbitmq.look_seconds = 0.1
    broker = await rabbitmq.broker()
    queue, inbox = broker.topology.service_queue("risk"), Inbox()
    await broker.declare(queue)
    await broker.consume(queue.name, inbox, prefetch=1)
    await remove(rabbitmq, broker)

    async def arrives() -> None:
        while True:
            try:
                await send(broker)
            except Undeliverable:
                await asyncio.sleep(0.05)
            else:
                return

    await asyncio.wait_for(arrives(), 10)
    (await inbox.next()).ack()
    assert broker.metrics()["connections_lost"] == 0, "messages in hand are not delivered twice"


async def several_looks(queue: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait until the broker was asked about the queue more often than misses are needed to read it anew."""
    looks, enough = 0, asyncio.Event()

    async def count_looks(link: Link, name: str) -> int:
        nonlocal looks
        looks += name == queue
        if looks > 2 * subscriptions.LOOKS:
            enough.set()
        return await count_readers(link, name)

    monkeypatch.setattr(subscriptions, "count_readers", count_looks)
    await enough.wait()


async def test_a_queue_is_read_while_an_exchange_of_its_bindings_is_missing(
    rabbitmq: RabbitmqLab, monkeypatch: pytest.MonkeyPatch
):
    rabbitmq.look_seconds = 0.05
    broker = await rabbitmq.broker()
    queue, inbox = broker.topology.service_queue("risk"), Inbox()
    await broker.declare(queue)
    await broker.consume(queue.name, inbox, prefetch=1)
    reading = reading_of(broker, queue.name).channel
    async with raw_channel(rabbitmq) as channel:
        await channel.ask(
            lambda answer: channel.raw.exchange_delete(broker.topology.commands, callback=answer)
        )
    await within(several_looks(queue.name, monkeypatch))
    assert reading_of(broker, queue.name).channel is reading
    await broker.publish("", queue.name, command(), timeout_seconds=10)
    (await inbox.next()).ack()


async def test_connections_that_fail_before_they_are_ready_leave_nobody_who_looks(
    rabbitmq: RabbitmqLab, monkeypatch: pytest.MonkeyPatch
):
    rabbitmq.look_seconds = 0.1
    prepare, failures = RabbitmqBroker._prepare_consuming, 0

    async def fail_twice_at_the_end(broker: RabbitmqBroker, link: Link) -> None:
        nonlocal failures
        await prepare(broker, link)
        if failures < 2:
            failures += 1
            raise AMQPConnectionError

    monkeypatch.setattr(RabbitmqBroker, "_prepare_consuming", fail_twice_at_the_end)
    await rabbitmq.broker()

    async def one_looks() -> None:
        while sum(task.get_name() == "look" for task in asyncio.all_tasks()) > 1:  # noqa: ASYNC110 (no event)
            await asyncio.sleep(0.02)

    await asyncio.wait_for(one_looks(), 10)


async def test_what_a_reading_that_has_ended_is_handling_is_not_taken_back(
    rabbitmq: RabbitmqLab, monkeypatch: pytest.MonkeyPatch
):
    rabbitmq.look_seconds = 0.1
    broker = await rabbitmq.broker()
    queue, inbox, looked = broker.topology.service_queue("risk"), Inbox(), asyncio.Event()
    await broker.declare(queue)
    consumption = await broker.consume(queue.name, inbox, prefetch=1)
    await send(broker)
    delivery = await inbox.next()
    reading = reading_of(broker, queue.name)

    async def end_meanwhile(link: Link, name: str) -> int:
        if name == queue.name:
            await consumption.cancel()
            looked.set()
        return name != queue.name

    reading.missed = subscriptions.LOOKS - 1
    monkeypatch.setattr(subscriptions, "count_readers", end_meanwhile)
    await within(looked.wait())
    await asyncio.sleep(0.3)
    assert reading.channel is not None
    assert reading.channel.raw.is_open
    delivery.ack()


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
