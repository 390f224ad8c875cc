"""The contract of every broker: see ``messaging/broker.py``."""

import asyncio
from collections.abc import Awaitable, Callable
from itertools import count

import pytest

from messaging.broker import Broker
from messaging.delivery import Death, Delivery
from messaging.envelope import Envelope
from messaging.errors import (
    BrokerUnavailable,
    MessagingError,
    PublishRefused,
    PublishUncertain,
    Undeliverable,
)
from messaging.topology import Queue
from tests.support.brokers import Inbox, Lab, a_moment, command, reconnected, small_queue, within

TIMEOUT_SECONDS = 10.0


async def a_service(broker: Broker, name: str = "risk") -> Queue:
    queue = broker.topology.service_queue(name)
    await broker.declare(queue)
    return queue


async def send(broker: Broker, envelope: Envelope, service: str = "risk") -> None:
    await broker.publish(broker.topology.commands, service, envelope, timeout_seconds=TIMEOUT_SECONDS)


async def outcome_of(publishing: Awaitable[None]) -> MessagingError | None:
    try:
        await publishing
    except MessagingError as error:
        return error
    return None


async def test_a_message_arrives_as_it_was_sent_with_unknown_headers(lab: Lab):
    broker = await lab.broker()
    inbox = Inbox()
    await broker.consume((await a_service(broker)).name, inbox, prefetch=1)
    sent = command(
        '{"amount": 5}',
        correlation_id="c1",
        reply_to="somewhere",
        headers={"deadline": 1_900_000_000_000, "baggage": "kept", "schema-version": True, "sealed": "s"},
    )
    await send(broker, sent)

    delivery = await inbox.next()
    assert delivery.envelope is not None
    assert delivery.delivery_count == 0
    assert not delivery.redelivered
    assert (delivery.exchange, delivery.routing_key) == (broker.topology.commands, "risk")
    for field in (
        "type",
        "body",
        "message_id",
        "correlation_id",
        "reply_to",
        "timestamp",
        "app_id",
        "headers",
    ):
        assert getattr(delivery.envelope, field) == getattr(sent, field), field
    delivery.ack()


async def test_a_message_that_no_queue_takes_is_undeliverable(lab: Lab):
    broker = await lab.broker()
    with pytest.raises(Undeliverable):
        await send(broker, command(), service="nobody")


async def test_the_same_message_returned_and_confirmed_at_once_is_told_apart(lab: Lab):
    broker = await lab.broker()
    await a_service(broker)
    envelope = command()
    outcomes = await asyncio.gather(
        send(broker, envelope, service="nobody"),
        send(broker, envelope),
        send(broker, envelope, service="nobody"),
        return_exceptions=True,
    )
    assert [type(outcome) for outcome in outcomes] == [Undeliverable, type(None), Undeliverable]


async def test_a_full_queue_refuses(lab: Lab):
    broker = await lab.broker()
    await broker.declare(small_queue(broker, "small", 1))
    # The limit is soft: RabbitMQ may accept one or two more.
    outcomes = [await outcome_of(send(broker, command(), service="small")) for _ in range(10)]
    assert outcomes[0] is None
    assert isinstance(outcomes[-1], PublishRefused)


async def test_a_connection_lost_before_the_confirm_leaves_it_uncertain(lab: Lab):
    broker = await lab.broker()
    await a_service(broker)
    ended: asyncio.Future[MessagingError | None] = asyncio.get_running_loop().create_future()
    lab.hold()
    broker.publish_nowait(broker.topology.commands, "risk", command(), ended.set_result)
    lab.lose_connections()
    assert isinstance(await within(ended), PublishUncertain)


async def test_publishing_without_a_broker_fails_at_once_and_works_when_it_has_come(lab: Lab):
    await lab.go_down()
    broker = lab.unconnected_broker()
    broker.open()
    with pytest.raises(BrokerUnavailable):
        await within(send(broker, command()))
    assert not broker.is_connected

    await lab.come_back()
    await within(broker.wait_connected())
    await a_service(broker)
    await send(broker, command())


async def test_queues_and_readers_asked_for_before_the_broker_came_are_there_afterwards(lab: Lab):
    await lab.go_down()
    broker = lab.unconnected_broker()
    broker.open()
    inbox = Inbox()
    await broker.consume((await a_service(broker)).name, inbox, prefetch=1)
    await lab.come_back()
    await within(broker.wait_connected())
    await send(broker, command())
    assert (await inbox.next()).envelope is not None


async def test_what_was_not_acknowledged_comes_again_after_a_lost_connection(lab: Lab):
    broker = await lab.broker()
    inbox = Inbox()
    await broker.consume((await a_service(broker)).name, inbox, prefetch=5)
    first, second = command(), command()
    await send(broker, first)
    await send(broker, second)
    lost = await inbox.next()
    (await inbox.next()).ack()
    await a_moment(broker)  # the acknowledgement has arrived

    lab.lose_connections()
    again = await inbox.next()
    assert again.envelope is not None
    assert again.envelope.message_id == first.message_id
    assert again.redelivered
    assert again.delivery_count == 1
    lost.ack()  # a delivery of the old connection, so this has no effect
    again.reject(requeue=True)
    (await inbox.next()).ack()
    await within(broker.wait_connected())
    await a_moment(broker)
    assert len(inbox) == 0


async def test_reading_and_bindings_go_on_after_a_lost_connection(lab: Lab):
    broker, other = await lab.broker(), await lab.broker()
    commands, pushes = Inbox(), Inbox()
    await broker.consume((await a_service(broker)).name, commands, prefetch=1)
    await broker.bind(broker.topology.groups, "g1")
    await broker.bind(broker.topology.groups, "g2")
    await broker.unbind(broker.topology.groups, "g2")
    broker.reply_queue.channels = TakesAll(pushes)

    lab.lose_connections()
    await reconnected(broker)
    await reconnected(other)
    await send(other, command())
    (await commands.next()).ack()
    await other.publish(other.topology.groups, "g1", command(), timeout_seconds=TIMEOUT_SECONDS)
    assert (await pushes.next()).routing_key == "g1"
    with pytest.raises(Undeliverable):
        await other.publish(other.topology.groups, "g2", command(), timeout_seconds=TIMEOUT_SECONDS)


async def test_reading_goes_on_after_the_queue_was_deleted(lab: Lab):
    broker, other = await lab.broker(), await lab.broker()
    inbox = Inbox()
    queue = await a_service(broker)
    await broker.consume(queue.name, inbox, prefetch=1)
    await lab.delete(queue.name)

    async def published() -> None:
        while True:
            try:
                return await send(other, command())
            except Undeliverable:
                await a_moment(other)

    await within(published())
    assert (await inbox.next()).envelope is not None


async def test_a_rejected_message_comes_again_counted(lab: Lab):
    broker = await lab.broker()
    inbox = Inbox()
    await broker.consume((await a_service(broker)).name, inbox, prefetch=1)
    await send(broker, command())
    for expected in range(3):
        delivery = await inbox.next()
        assert delivery.delivery_count == expected
        delivery.reject(requeue=True)


async def test_a_message_given_up_is_a_dead_letter(lab: Lab):
    broker = await lab.broker()
    inbox, dead = Inbox(), Inbox()
    queue = (await a_service(broker)).name
    await broker.consume(queue, inbox, prefetch=1)
    await broker.consume(broker.topology.dead_queue.name, dead, prefetch=1)
    sent = command()
    await send(broker, sent)
    (await inbox.next()).reject(requeue=False)
    letter = await dead.next()
    assert letter.envelope is not None
    assert letter.envelope.message_id == sent.message_id
    assert letter.envelope.headers == sent.headers
    assert letter.death == Death(queue, "rejected")
    letter.ack()


async def test_the_brokers_own_limit_ends_in_a_dead_letter(lab: Lab):
    broker = await lab.broker()
    dead = Inbox()
    deliveries = count()

    def always_fails(delivery: Delivery) -> None:
        next(deliveries)
        delivery.reject(requeue=True)

    await broker.consume(broker.topology.dead_queue.name, dead, prefetch=1)
    queue = (await a_service(broker)).name
    await broker.consume(queue, always_fails, prefetch=1)
    await send(broker, command())
    letter = await dead.next()
    assert letter.death == Death(queue, "delivery_limit")
    letter.ack()
    assert next(deliveries) == 21


async def test_no_more_than_the_prefetch_is_out_at_once(lab: Lab):
    broker = await lab.broker()
    inbox = Inbox()
    await broker.consume((await a_service(broker)).name, inbox, prefetch=2)
    for _ in range(5):
        await send(broker, command())
    first = await inbox.next()
    await a_moment(broker)
    assert len(inbox) == 1
    first.ack()
    await inbox.next()
    await inbox.next()
    await a_moment(broker)
    assert len(inbox) == 0


async def test_a_cancelled_reader_gets_no_more_and_may_still_acknowledge(lab: Lab):
    broker = await lab.broker()
    inbox, successor = Inbox(), Inbox()
    queue = await a_service(broker)
    consumption = await broker.consume(queue.name, inbox, prefetch=2)
    await send(broker, command())
    await send(broker, command())
    finished, unfinished = await inbox.next(), await inbox.next()
    await consumption.cancel()
    await send(broker, command())
    finished.ack()
    await consumption.release()

    await broker.consume(queue.name, successor, prefetch=5)
    ids = set()
    for _ in range(2):
        delivery = await successor.next()
        assert delivery.envelope is not None
        ids.add(delivery.envelope.message_id)
    assert unfinished.envelope is not None
    assert unfinished.envelope.message_id in ids
    assert finished.envelope is not None
    assert finished.envelope.message_id not in ids
    assert len(inbox) == 0


async def test_a_message_that_is_given_back_untried_comes_again(lab: Lab):
    broker, inbox = await lab.broker(), Inbox()
    queue, sent = await a_service(broker), command()
    await broker.consume(queue.name, inbox, prefetch=1)
    await send(broker, sent)
    (await inbox.next()).give_back()
    again = await inbox.next()
    assert again.envelope is not None
    assert again.envelope.message_id == sent.message_id
    assert again.redelivered
    assert again.delivery_count == await lab.deliveries_counted_for_untried()
    again.ack()


async def test_two_readers_share_a_queue(lab: Lab):
    one, two = await lab.broker(), await lab.broker()
    inboxes = Inbox(), Inbox()
    queue = await a_service(one)
    await one.consume(queue.name, inboxes[0], prefetch=1)
    await two.consume(queue.name, inboxes[1], prefetch=1)
    await send(one, command())
    await send(one, command())
    seen = [await inbox.next() for inbox in inboxes]
    assert seen[0].envelope != seen[1].envelope


async def test_an_event_reaches_every_queue_whose_pattern_matches(lab: Lab):
    broker = await lab.broker()
    topology = broker.topology
    captures, everything = Inbox(), Inbox()
    for service, pattern, inbox in (("a", "payment.*", captures), ("b", "#", everything)):
        queue = topology.event_queue(service, (pattern,))
        await broker.declare(queue)
        await broker.consume(queue.name, inbox, prefetch=5)
    await broker.publish(topology.events, "payment.captured", command(), timeout_seconds=TIMEOUT_SECONDS)
    await broker.publish(topology.events, "payment.late.captured", command(), timeout_seconds=TIMEOUT_SECONDS)
    assert (await captures.next()).routing_key == "payment.captured"
    assert (await everything.next()).routing_key == "payment.captured"
    assert (await everything.next()).routing_key == "payment.late.captured"
    await a_moment(broker)
    assert len(captures) == 0


async def test_a_closed_broker_publishes_nothing(lab: Lab):
    broker = await lab.broker()
    await broker.close()
    with pytest.raises(BrokerUnavailable):
        broker.publish_nowait(broker.topology.commands, "risk", command(), lambda error: None)
    await broker.close()


class TakesAll:
    def __init__(self, inbox: Inbox) -> None:
        self._inbox = inbox
        self.waiting = 0

    def take(self, delivery: Delivery) -> bool:
        self._inbox(delivery)
        return True

    def end_waits(self, error: Callable[[], Exception], *, only_sent: bool) -> None:
        """Do nothing: no caller waits here."""
