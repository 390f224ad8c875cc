"""A process in thousands of groups, as a process with as many open pages is."""

import asyncio

import pytest

from messaging.broker import Broker
from messaging.envelope import Envelope
from messaging.errors import Undeliverable
from messaging.rabbitmq import broker as rabbitmq_broker
from messaging.rabbitmq.broker import RabbitmqBroker
from messaging.rabbitmq.connection import supervisor
from messaging.rabbitmq.connection.link import Link
from tests.support.brokers import RabbitmqLab, lost, reconnected, within

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


async def test_more_groups_than_can_be_bound_in_time_keep_no_process_from_connecting_again(
    rabbitmq: RabbitmqLab, monkeypatch: pytest.MonkeyPatch
):
    broker = await rabbitmq.broker()
    groups = broker.topology.groups
    await within(asyncio.gather(*(broker.bind(groups, f"h{number}") for number in range(10_000))))
    # To bind so many groups takes longer, even if the broker knows them.
    monkeypatch.setattr(supervisor, "SET_UP_TIMEOUT_SECONDS", 0.6)
    monkeypatch.setattr(rabbitmq_broker, "PATIENCE_SECONDS", 0.05)
    await rabbitmq.go_down()
    await within(lost(broker))
    await broker.bind(groups, "joined meanwhile")
    await rabbitmq.come_back()
    await within(broker.wait_connected())
    await within(deliverable(broker, "joined meanwhile"))
    assert broker.metrics()["connections_lost"] == 2, "once each"


async def deliverable(sender: Broker, group: str) -> None:
    """Wait until a process is in this group."""
    while True:
        try:
            message = Envelope(type="group.message", body=b"{}")
            return await sender.publish(sender.topology.groups, group, message, timeout_seconds=30)
        except Undeliverable:
            await asyncio.sleep(0.01)


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


async def test_a_queue_that_is_made_anew_has_every_group_although_they_were_just_bound_to_the_earlier_one(
    rabbitmq: RabbitmqLab, monkeypatch: pytest.MonkeyPatch
):
    broker, begun, may_go_on = await rabbitmq.broker(), asyncio.Event(), asyncio.Event()
    assert isinstance(broker, RabbitmqBroker)
    bound: set[tuple[str, str]] = set()
    groups = {(broker.topology.groups, group) for group in GROUPS[:3]}
    for each in groups:
        await broker.bind(*each)
    link = broker._consuming.link
    assert link is not None

    async def bind(link: Link, queue: str, bindings: set[tuple[str, str]]) -> None:
        if asyncio.current_task() is earlier:
            begun.set()
            await may_go_on.wait()
            return
        may_go_on.set()
        await asyncio.wait({earlier})
        bound.update(bindings)

    monkeypatch.setattr(rabbitmq_broker, "BINDINGS_AT_ONCE", 1)
    monkeypatch.setattr(rabbitmq_broker, "bind_all", bind)
    broker._bound = set()
    earlier = asyncio.create_task(broker._bind_groups(link))
    await within(begun.wait())
    await within(broker._begin_binding(link))
    assert bound == groups
