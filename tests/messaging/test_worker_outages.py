"""Services whose database is away for longer than they hold a message, or whose broker is short of disk."""

import asyncio
import threading
import time
from typing import Any

import pytest
from django.db import OperationalError
from django.db.backends.utils import CursorWrapper

from checkout.payments.models import InboxMessage
from messaging.broker import Broker
from messaging.delivery import Delivery
from messaging.worker import worker
from messaging.worker.message import Message
from messaging.worker.service import Service
from tests.messaging.conftest import at_work
from tests.support.brokers import Inbox, MemoryLab, RabbitmqLab, within
from tests.support.proxy import Proxy
from tests.support.services import Client, Greet, Greeted, until

pytestmark = pytest.mark.django_db(transaction=True)


async def test_the_time_of_the_attempts_themselves_counts_as_waiting(
    lab: MemoryLab, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(worker, "OUTAGE_PAUSE_SECONDS", 0.01)
    monkeypatch.setattr(worker, "LONGEST_OUTAGE_SECONDS", 0.2)
    monkeypatch.setattr(worker, "DELIVERY_LIMIT", 2)
    service = Service("patient")
    never, attempts = threading.Event(), []

    @service.command("greet")
    def greet(body: Greet, message: Message) -> Greeted:
        attempts.append(1)
        never.wait(0.11)  # the driver does the same for a server that does not answer
        raise OperationalError("the server does not answer")

    client = await Client(await lab.broker()).start()
    async with at_work(await lab.broker(), service):
        await client.send("patient", client.command("greet"))
        await client.dead.next()
    assert len(attempts) <= 6


async def test_a_service_that_is_stopped_while_its_database_is_away_gives_its_message_to_another_host(
    lab: MemoryLab,
):
    cut_off, healthy, begun = Service("patient"), Service("patient"), asyncio.Event()
    loop = asyncio.get_running_loop()

    @cut_off.command("greet")
    def wait_in_vain(body: Greet, message: Message) -> Greeted:
        loop.call_soon_threadsafe(begun.set)
        raise OperationalError("no route to host")

    @healthy.command("greet")
    def greet(body: Greet, message: Message) -> Greeted:
        return Greeted("elsewhere")

    client = await Client(await lab.broker()).start()
    async with at_work(await lab.broker(), cut_off) as stop:
        await client.send("patient", client.command("greet"))
        await within(begun.wait())
        async with at_work(await lab.broker(), healthy):
            stop.set()
            assert (await client.reply()).result == {"text": "elsewhere"}


async def test_a_message_that_an_outage_has_worn_out_is_tried_when_the_database_is_back(
    lab: MemoryLab, monkeypatch: pytest.MonkeyPatch
):
    """Each five minutes of an outage count as a delivery, and no handler saw the message in any of them."""
    monkeypatch.setattr(worker, "OUTAGE_PAUSE_SECONDS", 0.01)
    service = Service("patient")
    refusals: list[str] = []

    @service.command("greet")
    def greet(body: Greet, message: Message) -> Greeted:
        return Greeted("at last")

    broker = await lab.broker()
    client = await Client(await lab.broker()).start()
    await client.send("patient", client.command("greet"))
    await wear_out(broker, broker.topology.service_queue("patient").name)
    execute = CursorWrapper.execute

    def away(cursor: CursorWrapper, sql: str, *arguments: Any) -> Any:
        if len(refusals) < 3:
            refusals.append(sql)
            raise OperationalError("the database system is starting up")
        return execute(cursor, sql, *arguments)

    monkeypatch.setattr(CursorWrapper, "execute", away)
    async with at_work(broker, service):
        assert (await client.reply()).result == {"text": "at last"}
    assert len(refusals) == 3


async def wear_out(broker: Broker, queue: str) -> None:
    """Let the message of a queue be delivered as often as its service tries it."""
    is_worn_out = asyncio.Event()

    def refuse(delivery: Delivery) -> None:
        if delivery.delivery_count < worker.DELIVERY_LIMIT:
            delivery.reject(requeue=True)
        else:
            is_worn_out.set()

    consumption = await broker.consume(queue, refuse, prefetch=1)
    await within(is_worn_out.wait())
    await consumption.release()


@pytest.mark.rabbitmq
async def test_a_secret_waits_in_its_message_while_the_broker_blocks_publishing(
    rabbitmq_url: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(worker, "LONGEST_PAUSE_SECONDS", 0.01)
    proxy = Proxy(rabbitmq_url)
    await proxy.accept()
    lab = RabbitmqLab(proxy)
    broker, steps, loop = await lab.broker(), Inbox(), asyncio.get_running_loop()
    client = await Client(await lab.broker()).start()
    next_queue = client.broker.topology.service_queue("next")
    await client.broker.declare(next_queue)
    await client.broker.consume(next_queue.name, steps, prefetch=10, auto_ack=True)
    service = Service("courier")

    @service.command("greet")
    def greet(body: Greet, message: Message) -> None:
        message.send("next", "next.step", {"n": 1})
        loop.call_soon_threadsafe(lab.block)
        while broker.is_connected:
            time.sleep(0.01)

    async with at_work(broker, service):
        await client.send("courier", client.command("greet", sealed="secret"))
        await until(InboxMessage.objects.exists)
        await asyncio.sleep(1)
        lab.unblock()
        step = (await steps.next()).envelope
    assert step is not None
    assert step.sealed == "secret"
    await lab.close()
