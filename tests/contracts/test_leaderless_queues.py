"""A quorum queue without a leader keeps nothing from working but itself."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit

import pytest
import structlog
from structlog.typing import EventDict

from messaging.broker import Broker
from messaging.errors import PublishRefused
from messaging.rabbitmq import subscriptions
from messaging.topology import Queue
from tests.support.brokers import Inbox, RabbitmqLab, command, lost, within
from tests.support.vhosts import binary, evaluate

pytestmark = pytest.mark.rabbitmq


@dataclass(frozen=True)
class Fault:
    """A fault of the process that leads a queue, in Erlang, and its end."""

    begin: str
    end: str


# The broker refuses to read the queue, as it does if the only node of a queue is down.
ABSENT = Fault("ra:stop_server(quorum_queues, Leader)", "ra:restart_server(quorum_queues, Leader)")
# It gives no answer, as it does if a queue has no majority.
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


async def test_its_further_tries_end_no_connection_that_others_use(rabbitmq: RabbitmqLab, vhost: str):
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
