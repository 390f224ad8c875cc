"""Faults that only RabbitMQ has: closed channels, blocked or dead connections, malformed messages."""

import asyncio
from dataclasses import replace as with_changes

import pytest

from messaging.broker import Broker
from messaging.errors import BrokerUnavailable, PublishRefused, PublishUncertain, Undeliverable
from messaging.rabbitmq import broker as connection
from messaging.rabbitmq.broker import RabbitmqBroker
from messaging.rabbitmq.channel import AmqpChannel
from messaging.rabbitmq.connection.addresses import connection_parameters
from messaging.rabbitmq.connection.link import Link, on_disposable_channel
from messaging.rabbitmq.inspection import inspect
from messaging.rabbitmq.publisher import Publisher
from messaging.topology import Queue
from tests.support.brokers import Inbox, RabbitmqLab, a_moment, command, lost, reconnected, within
from tests.support.proxy import Proxy
from tests.support.vhosts import close_connections

pytestmark = pytest.mark.rabbitmq


async def send(broker: Broker, *, timeout_seconds: float = 10) -> None:
    await broker.publish(broker.topology.commands, "risk", command(), timeout_seconds=timeout_seconds)


async def test_no_confirm_in_time_leaves_it_uncertain(rabbitmq: RabbitmqLab):
    broker = await rabbitmq.broker()
    await broker.declare(broker.topology.service_queue("risk"))
    rabbitmq.hold()
    with pytest.raises(PublishUncertain):
        await send(broker, timeout_seconds=0.2)
    assert broker.metrics()["unconfirmed"] >= 1, "it is still under way, and counts toward the bound"


async def test_an_operator_closing_the_connections_is_survived(rabbitmq: RabbitmqLab, vhost: str):
    broker = await rabbitmq.broker()
    inbox = Inbox()
    queue = broker.topology.service_queue("risk")
    await broker.declare(queue)
    await broker.consume(queue.name, inbox, prefetch=1)
    await asyncio.to_thread(close_connections, vhost)
    await reconnected(broker)
    await send(broker)
    (await inbox.next()).ack()


async def test_a_link_that_is_open_and_dead_is_given_up_by_the_watchdog(rabbitmq: RabbitmqLab):
    rabbitmq.watchdog_seconds = 0.05
    broker = await rabbitmq.broker()
    rabbitmq.hold()

    async def given_up() -> None:
        while broker.is_connected:  # noqa: ASYNC110 (no event reports it)
            await asyncio.sleep(0.01)

    await within(given_up())
    rabbitmq.lose_connections()
    await within(broker.wait_connected())


async def test_the_watchdog_is_content_with_a_living_link(rabbitmq: RabbitmqLab):
    rabbitmq.watchdog_seconds = 0.02
    broker = await rabbitmq.broker()

    async def several_rounds() -> None:
        while broker.metrics()["published"] < 10:  # noqa: ASYNC110 (no event reports it)
            await asyncio.sleep(0.01)

    await within(several_rounds())
    assert broker.metrics()["connections_lost"] == 0
    assert broker.metrics()["late_replies"] == 0


async def test_a_blocked_connection_refuses_at_once_until_it_is_unblocked(rabbitmq: RabbitmqLab):
    broker = await rabbitmq.broker()
    await broker.declare(broker.topology.service_queue("risk"))
    rabbitmq.block()

    async def until_blocked() -> None:
        while True:
            await send(broker)
            await asyncio.sleep(0)

    with pytest.raises(BrokerUnavailable, match="blocked"):
        await within(until_blocked())
    rabbitmq.unblock()
    await a_moment_later(broker)
    await send(broker)


async def a_moment_later(broker: Broker) -> None:
    async def published() -> None:
        while True:
            try:
                return await a_moment(broker)
            except BrokerUnavailable:
                await asyncio.sleep(0.01)

    await within(published())


async def test_a_connection_that_stays_blocked_is_closed(
    rabbitmq: RabbitmqLab, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(connection, "BLOCKED_TIMEOUT_SECONDS", 0.1)
    broker = await rabbitmq.broker()
    rabbitmq.block()
    await reconnected(broker)


async def test_a_broker_that_blocks_publishing_is_not_connected_until_it_unblocks(rabbitmq: RabbitmqLab):
    broker = await rabbitmq.broker()
    rabbitmq.block()
    await within(lost(broker))
    waiting = asyncio.create_task(broker.wait_connected())
    await asyncio.sleep(0.1)
    assert not waiting.done()
    rabbitmq.unblock()
    await within(waiting)
    assert broker.metrics()["connections_lost"] == 0


async def test_a_new_connection_does_not_count_as_the_end_of_an_alarm_but_a_message_that_is_taken_does(
    rabbitmq: RabbitmqLab, monkeypatch: pytest.MonkeyPatch
):
    """RabbitMQ blocks a connection when it publishes for the first time, and not before."""
    monkeypatch.setattr(connection, "BLOCKED_TIMEOUT_SECONDS", 0.1)
    tried: list[RabbitmqBroker] = []
    ping = RabbitmqBroker._ping
    monkeypatch.setattr(RabbitmqBroker, "_ping", lambda broker: tried.append(broker))
    broker = await rabbitmq.broker()
    assert isinstance(broker, RabbitmqBroker)
    rabbitmq.block()
    await within(closed_and_opened_again(broker))
    assert not broker.is_connected
    with pytest.raises(BrokerUnavailable, match="blocked"):
        await send(broker)
    assert tried == [broker], "it is tried at once"
    ping(broker)
    await within(broker.wait_connected())


async def closed_and_opened_again(broker: RabbitmqBroker) -> None:
    while not broker.metrics()["connections_lost"]:  # noqa: ASYNC110 (no event reports it)
        await asyncio.sleep(0.01)
    await broker._publishing.ready.wait()


@pytest.mark.parametrize("limits", [{"max_unconfirmed": 3}, {"max_unconfirmed_bytes": 6}])
async def test_what_is_unconfirmed_is_bounded(rabbitmq: RabbitmqLab, limits: dict[str, int]):
    publisher = Publisher("guest", **limits)
    link = await Link.open(connection_parameters(rabbitmq.url, "a test")[0])
    await publisher.prepare(link)
    outcomes: list[object] = []
    for _ in range(3):
        publisher.publish_nowait("", "nowhere", command("{}"), outcomes.append)
    with pytest.raises(PublishRefused):
        publisher.publish_nowait("", "nowhere", command("{}"), outcomes.append)
    await within(publisher.drained.wait())
    assert [type(outcome) for outcome in outcomes] == [Undeliverable] * 3
    assert publisher.unconfirmed_bytes == 0
    publisher.publish_nowait("", "nowhere", command("{}"), outcomes.append)
    await within(publisher.drained.wait())
    await link.close()


async def test_confirms_of_an_earlier_incarnation_mean_nothing(rabbitmq: RabbitmqLab, vhost: str):
    later_proxy = Proxy(vhost)
    await later_proxy.accept()
    earlier = await Link.open(connection_parameters(rabbitmq.url, "earlier")[0])
    later = await Link.open(connection_parameters(later_proxy.url, "later")[0])
    publisher = Publisher("guest")
    of_the_earlier: list[object] = []
    of_the_later: list[object] = []

    await publisher.prepare(earlier)
    rabbitmq.proxy.hold()
    publisher.publish_nowait("", "nowhere", command(), of_the_earlier.append)
    publisher.lost()
    await publisher.prepare(later)
    later_proxy.hold()
    publisher.publish_nowait("", "nowhere", command(), of_the_later.append)
    rabbitmq.proxy.let_go()
    await within(earlier.channel())  # arrives after the earlier confirm, which has the same tag
    assert [type(outcome) for outcome in of_the_earlier] == [PublishUncertain]
    assert of_the_later == []

    later_proxy.let_go()
    await within(publisher.drained.wait())
    assert [type(outcome) for outcome in of_the_later] == [Undeliverable]
    await earlier.close()
    await later.close()
    await later_proxy.close()


async def test_thousands_at_once_are_all_confirmed(rabbitmq: RabbitmqLab):
    broker = await rabbitmq.broker()
    queue = Queue(f"{rabbitmq.prefix}.many", {"x-queue-type": "classic", "x-expires": 60_000})
    await broker.declare(queue)
    publishing = (broker.publish("", queue.name, command(), timeout_seconds=20) for _ in range(3000))
    await within(asyncio.gather(*publishing))
    assert broker.metrics()["unconfirmed"] <= 1, "at most the watchdog's own"


async def test_what_a_socket_does_not_take_at_once_is_sent_later_and_in_order(rabbitmq: RabbitmqLab):
    broker = await rabbitmq.broker()
    inbox = Inbox()
    queue = Queue(f"{rabbitmq.prefix}.large", {"x-queue-type": "classic", "x-expires": 60_000})
    await broker.declare(queue)
    sent = [command(f'"{number:0250000}"') for number in range(100)]
    await within(asyncio.gather(*(broker.publish("", queue.name, each, timeout_seconds=40) for each in sent)))
    await broker.consume(queue.name, inbox, prefetch=1, auto_ack=True)
    for each in sent:
        arrived = (await inbox.next()).envelope
        assert arrived is not None
        assert (arrived.message_id, arrived.body) == (each.message_id, each.body)
    assert broker.metrics()["connections_lost"] == 0


async def test_a_queue_that_exists_with_other_arguments_disturbs_nothing_else(rabbitmq: RabbitmqLab):
    broker = await rabbitmq.broker()
    topology = broker.topology
    foreign = Queue(topology.service_queue("clash").name, {"x-queue-type": "classic"})
    await broker.declare(foreign)
    other = await rabbitmq.broker()
    inbox = Inbox()
    await other.declare(topology.service_queue("clash"), topology.service_queue("risk"))
    await other.consume(topology.service_queue("risk").name, inbox, prefetch=1)
    await other.consume(topology.service_queue("clash").name, Inbox(), prefetch=1)
    await send(other)
    (await inbox.next()).ack()
    assert other.metrics()["connections_lost"] == 0


async def test_a_queue_goes_on_with_the_copies_that_it_has(rabbitmq: RabbitmqLab):
    """The setting asks for another number than the existing queue has."""
    before = await rabbitmq.broker()
    queue = before.topology.service_queue("risk")
    await before.declare(with_changes(queue, bindings=()))
    other = RabbitmqBroker(rabbitmq.url, rabbitmq.prefix, quorum_group_size=1)
    other.open()
    try:
        await within(other.wait_connected())
        inbox = Inbox()
        sized = other.topology.service_queue("risk")
        assert sized.arguments["x-quorum-initial-group-size"] == 1
        await other.declare(sized)
        await other.consume(sized.name, inbox, prefetch=1)
        await send(other)
        (await inbox.next()).ack()
        facts = await asyncio.to_thread(inspect, rabbitmq.url, other.topology, [sized])
        assert [fact.fault for fact in facts.queues] == [""]
        shorter = with_changes(sized, arguments={**sized.arguments, "x-max-length": 5})
        facts = await asyncio.to_thread(inspect, rabbitmq.url, other.topology, [shorter])
        assert "inequivalent arg 'x-max-length'" in facts.queues[0].fault
    finally:
        await other.close()


async def test_each_incarnation_is_a_new_pair_of_connections(rabbitmq: RabbitmqLab):
    await rabbitmq.broker()
    assert rabbitmq.proxy.accepted == 2
    broker = await rabbitmq.broker()
    assert rabbitmq.proxy.accepted == 4
    await broker.close()
    rabbitmq.lose_connections()


async def test_the_node_queue_outlives_the_connection_and_keeps_what_came_meanwhile(rabbitmq: RabbitmqLab):
    broker = await rabbitmq.broker()
    link = await Link.open(connection_parameters(rabbitmq.url, "a test")[0])

    async def look(channel: AmqpChannel) -> None:
        await channel.ask(
            lambda answer: channel.raw.queue_declare(broker.reply_queue.name, passive=True, callback=answer)
        )

    await broker.close()
    await on_disposable_channel(link, look)
    await link.close()


async def test_a_process_is_reachable_for_as_long_as_its_queue_outlives_the_connection(
    rabbitmq: RabbitmqLab, monkeypatch: pytest.MonkeyPatch
):
    broker = rabbitmq.unconnected_broker()
    assert not broker.is_reachable
    broker.open()
    await within(broker.wait_reachable(timeout_seconds=60))
    await rabbitmq.go_down()
    await within(lost(broker))
    assert broker.is_reachable
    monkeypatch.setattr(connection, "QUEUE_OUTLIVES_SECONDS", 0)
    assert not broker.is_reachable
    with pytest.raises(BrokerUnavailable):
        await broker.wait_reachable(timeout_seconds=0.1)
    await rabbitmq.come_back()
    await within(broker.wait_reachable(timeout_seconds=60))


async def test_several_loops_in_one_process_have_a_broker_each(rabbitmq: RabbitmqLab):
    here = await rabbitmq.broker()

    async def elsewhere() -> str:
        broker = connection.RabbitmqBroker(rabbitmq.url, rabbitmq.prefix)
        broker.open()
        await broker.wait_connected()
        queue = broker.reply_queue.name
        await broker.close()
        return queue

    assert await within(asyncio.to_thread(asyncio.run, elsewhere())) != here.reply_queue.name


async def test_a_loop_that_simply_ends_leaves_no_connection_open(rabbitmq: RabbitmqLab):
    async def careless() -> None:
        broker = connection.RabbitmqBroker(rabbitmq.url, rabbitmq.prefix)
        broker.open()
        await broker.wait_connected()

    await within(asyncio.to_thread(asyncio.run, careless()))

    async def closed() -> None:
        while rabbitmq.proxy.open:  # noqa: ASYNC110 (no event reports it)
            await asyncio.sleep(0.01)

    await within(closed())
