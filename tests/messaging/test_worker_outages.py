"""A service whose database is away for longer than it holds a message."""

import asyncio
import threading
from typing import Any

import pytest
from django.db import OperationalError
from django.db.backends.utils import CursorWrapper

from messaging.broker import Broker
from messaging.delivery import Delivery
from messaging.worker import worker
from messaging.worker.message import Message
from messaging.worker.service import Service
from tests.messaging.conftest import at_work
from tests.support.brokers import MemoryLab, within
from tests.support.services import Client, Greet, Greeted

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
        never.wait(0.11)  # as the driver does for a server that does not answer
        raise OperationalError("the server does not answer")

    client = await Client(await lab.broker()).start()
    async with at_work(await lab.broker(), service):
        await client.send("patient", client.command("greet"))
        await client.dead.next()
    assert len(attempts) <= 6


async def test_a_message_that_an_outage_has_worn_out_is_tried_when_the_database_is_back(
    lab: MemoryLab, monkeypatch: pytest.MonkeyPatch
):
    """Each five minutes of an outage count as a delivery, in none of which a handler saw the message."""
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
    """Have the message of a queue delivered as often as its service tries it."""
    is_worn_out = asyncio.Event()

    def refuse(delivery: Delivery) -> None:
        if delivery.delivery_count < worker.DELIVERY_LIMIT:
            delivery.reject(requeue=True)
        else:
            is_worn_out.set()

    consumption = await broker.consume(queue, refuse, prefetch=1)
    await within(is_worn_out.wait())
    await consumption.release()
