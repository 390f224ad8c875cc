"""A quorum queue without a leader disturbs nothing but itself."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit

import pytest
import structlog
from pika.exceptions import AMQPConnectionError
from structlog.typing import EventDict

from messaging.broker import Broker
from messaging.errors import PublishRefused
from messaging.rabbitmq import subscriptions
from messaging.rabbitmq.broker import RabbitmqBroker
from messaging.rabbitmq.connection.addresses import connection_parameters
from messaging.rabbitmq.connection.link import Link
from messaging.rabbitmq.declaring import declare_exchanges, declare_queue
from messaging.rabbitmq.subscriptions import Subscription, Subscriptions
from messaging.topology import Queue, Topology
from tests.support.brokers import Inbox, RabbitmqLab, command, lost, reconnected, small_queue, within
from tests.support.vhosts import binary, evaluate

pytestmark = pytest.mark.rabbitmq


@dataclass(frozen=True)
class Fault:
    """A fault of the process that leads a queue, in Erlang, and its end."""

    begin: str
    end: str


# The broker refuses to read the queue, as it does if the queue's only node is down.
ABSENT = Fault("ra:stop_server(quorum_queues, Leader)", "ra:restart_server(quorum_queues, Leader)")
# The broker gives no answer, as it does if a queue has no majority.
SILENT = Fault("sys:suspend(Leader)", "sys:resume(Leader)")
FAULTS = pytest.mark.parametrize("fault", [ABSENT, SILENT], ids=["absent", "silent"])


@asynccontextmanager
async def without_leader(url: str, queue: Queue, fault: Fault) -> AsyncIterator[None]:
    """Let the queue have this fault within the block."""
    name = f"rabbit_misc:r({binary(urlsplit(url).path[1:])}, queue, {binary(queue.name)})"
    leader = f"Leader = amqqueue:get_pid(element(2, rabbit_amqqueue:lookup({name})))"
    assert await asyncio.to_thread(evaluate, f"{leader}, {fault.begin}.") == "ok"
    try:
        yield
    finally:
        assert await asyncio.to_thread(evaluate, f"{leader}, {fault.end}.") == "ok"


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subscriptions, "RETRY_APART_SECONDS", 0.05)
    monkeypatch.setattr(subscriptions, "RETRY_TOGETHER_SECONDS", 0.05)
    monkeypatch.setattr(subscriptions, "CANCEL_SECONDS", 0.1)


async def a_service(broker: Broker, name: str) -> Queue:
    queue = broker.topology.service_queue(name)
    await broker.declare(queue)
    return queue


async def send(broker: Broker, service: str) -> None:
    await broker.publish(broker.topology.commands, service, command(), timeout_seconds=20)


async def send_when_repaired(broker: Broker, service: str) -> None:
    async def sent() -> None:
        while True:
            try:
                return await send(broker, service)
            except PublishRefused:  # the leader is not elected yet
                await asyncio.sleep(0.01)

    await within(sent())


async def interrupted(lines: list[EventDict], queue: Queue, *, times: int) -> None:
    """Wait until reading this queue has failed so many times more."""
    until = len(lines)
    while times:
        while len(lines) == until:  # noqa: ASYNC110 (nothing tells of it)
            await asyncio.sleep(0.01)
        line = lines[until]
        until += 1
        times -= line["event"] == "reading interrupted" and line["queue"] == queue.name


@FAULTS
async def test_a_process_that_reads_it_connects_again_and_reads_all_others(
    rabbitmq: RabbitmqLab, vhost: str, fault: Fault
):
    broker, other, sick = await rabbitmq.broker(), Inbox(), Inbox()
    leaderless = await a_service(broker, "risk")
    await broker.consume(leaderless.name, sick, prefetch=1)
    await broker.consume((await a_service(broker, "orders")).name, other, prefetch=1)
    async with without_leader(vhost, leaderless, fault):
        rabbitmq.lose_connections()
        await within(lost(broker))
        await within(broker.wait_connected())
        await send(broker, "orders")
        (await other.next()).ack()
    await send_when_repaired(broker, "risk")
    (await sick.next()).ack()


async def test_further_attempts_to_read_it_end_no_connection_that_others_use(
    rabbitmq: RabbitmqLab, vhost: str
):
    broker, sick = await rabbitmq.broker(), Inbox()
    leaderless = await a_service(broker, "risk")
    await broker.consume(leaderless.name, sick, prefetch=1)
    async with without_leader(vhost, leaderless, ABSENT):
        with structlog.testing.capture_logs() as lines:
            rabbitmq.lose_connections()
            await within(interrupted(lines, leaderless, times=1))
            await within(broker.wait_connected())
            before = broker.metrics()["connections_lost"]
            await within(interrupted(lines, leaderless, times=3))
        assert broker.metrics()["connections_lost"] == before
    await send_when_repaired(broker, "risk")
    (await sick.next()).ack()
    assert broker.metrics()["connections_lost"] == before


@FAULTS
async def test_a_process_that_begins_to_read_it_goes_on_to_other_queues(
    rabbitmq: RabbitmqLab, vhost: str, fault: Fault
):
    broker, other = await rabbitmq.broker(), Inbox()
    leaderless = await a_service(broker, "risk")
    async with without_leader(vhost, leaderless, fault):
        sick = await within(broker.consume(leaderless.name, Inbox(), prefetch=1))
        await broker.consume((await a_service(broker, "orders")).name, other, prefetch=1)
        await within(broker.wait_connected())
        await send(broker, "orders")
        (await other.next()).ack()
        await within(asyncio.ensure_future(sick.release()))


@pytest.fixture
def others(monkeypatch: pytest.MonkeyPatch) -> list[Link]:
    """Return the connections that are opened beside a main one."""
    opened, another = [], Link.another

    async def remembered(main: Link) -> Link:
        opened.append(await another(main))
        return opened[-1]

    monkeypatch.setattr(Link, "another", remembered)
    return opened


async def test_it_is_read_again_although_there_can_be_no_second_connection(
    rabbitmq: RabbitmqLab, vhost: str, monkeypatch: pytest.MonkeyPatch
):
    async def refused(main: Link) -> Link:
        raise AMQPConnectionError("connection limit is reached")

    monkeypatch.setattr(Link, "another", refused)
    broker, sick = await rabbitmq.broker(), Inbox()
    leaderless = await a_service(broker, "risk")
    await broker.consume(leaderless.name, sick, prefetch=1)
    async with without_leader(vhost, leaderless, ABSENT):
        with structlog.testing.capture_logs() as lines:
            rabbitmq.lose_connections()
            await within(interrupted(lines, leaderless, times=2))
    await send_when_repaired(broker, "risk")
    (await sick.next()).ack()


async def test_all_queues_that_may_be_leaderless_share_one_second_connection(
    rabbitmq: RabbitmqLab, others: list[Link]
):
    broker, inbox = await rabbitmq.broker(), Inbox()
    assert isinstance(broker, RabbitmqBroker)
    names = ["risk", "orders", "ledger"]
    for name in names:
        await broker.consume((await a_service(broker, name)).name, inbox, prefetch=1)
    for each in broker._subscriptions._subscriptions:
        each.is_apart = not each.is_classic
    rabbitmq.lose_connections()
    await reconnected(broker)
    for name in names:
        await send(broker, name)
        (await inbox.next()).ack()
    assert len(others) == 1


async def test_others_on_the_second_connection_do_not_wait_for_the_next_try_of_the_one_that_has_ended_it(
    rabbitmq: RabbitmqLab, vhost: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(subscriptions, "RETRY_APART_SECONDS", 3600)
    broker, inbox = await rabbitmq.broker(), Inbox()
    assert isinstance(broker, RabbitmqBroker)
    leaderless, names = await a_service(broker, "risk"), ["orders", "ledger"]
    await broker.consume(leaderless.name, Inbox(), prefetch=1)
    for name in names:
        await broker.consume((await a_service(broker, name)).name, inbox, prefetch=1)
    for each in broker._subscriptions._subscriptions:
        each.is_apart = not each.is_classic
    async with without_leader(vhost, leaderless, ABSENT):
        rabbitmq.lose_connections()
        await reconnected(broker)
        for name in names:
            await send(broker, name)
            (await inbox.next()).ack()


async def test_queues_that_were_not_asked_for_when_it_ended_the_connection_stay_on_the_common_one(
    rabbitmq: RabbitmqLab, vhost: str
):
    topology = Topology(rabbitmq.prefix)
    leaderless, healthy = topology.service_queue("risk"), topology.service_queue("orders")
    link = await Link.open(connection_parameters(vhost, "a test")[0])
    await declare_exchanges(link, topology.exchanges)
    await declare_queue(link, leaderless)

    async def redeclare(link: Link, name: str) -> None:
        if name == healthy.name:
            raise await asyncio.shield(link.closed)

    own = topology.instance_queue("own")
    await declare_queue(link, own)
    reading = Subscriptions(redeclare, redeclare)
    sick, well = (Subscription(queue.name, Inbox(), 1, auto_ack=False) for queue in (leaderless, healthy))
    reading.add(sick)
    reading.add(well)
    async with without_leader(vhost, leaderless, ABSENT):
        await within(
            reading.prepare(link, Subscription(own.name, Inbox(), 0, auto_ack=True, is_classic=True))
        )
        await within(asyncio.shield(link.closed))
        reading.lost()
        await within(asyncio.wait([each.task for each in (sick, well) if each.task is not None]))
    assert (sick.is_apart, well.is_apart) == (True, False)


async def test_a_classic_queue_needs_no_second_connection(
    rabbitmq: RabbitmqLab, monkeypatch: pytest.MonkeyPatch, others: list[Link]
):
    looks = asyncio.Semaphore(0)

    async def none(link: Link, queue: str) -> int:
        looks.release()
        return 0

    monkeypatch.setattr(subscriptions, "count_readers", none)
    rabbitmq.look_seconds = 0.01
    broker, inbox = await rabbitmq.broker(), Inbox()
    queue = small_queue(broker, "risk", 10)
    await broker.declare(queue)

    def times_begun() -> int:
        return [line["event"] for line in lines if line.get("queue") == queue.name].count(
            "reading begun anew"
        )

    with structlog.testing.capture_logs() as lines:
        await broker.consume(queue.name, inbox, prefetch=1)
        while times_begun() < 2:
            await within(looks.acquire())
    await send(broker, "risk")
    (await inbox.next()).ack()
    assert not others
