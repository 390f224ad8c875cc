"""The forms that a handler may have, and others, which are refused before they lose a message."""

import pytest
from django.db import connection

from checkout.payments.models import InboxMessage
from messaging.concurrency.database import in_thread
from messaging.worker import worker
from messaging.worker.service import Message, Reply, Service
from tests.messaging.conftest import at_work
from tests.support.brokers import MemoryLab
from tests.support.services import Client, Greet, Greeted

pytestmark = pytest.mark.django_db(transaction=True)


async def test_the_result_that_a_handler_with_phases_returns_is_its_answer(lab: MemoryLab):
    service = Service("phased")

    @service.command("greet", transactional=False)
    def greet(body: Greet, message: Message) -> Greeted:
        return Greeted("done")

    client = await Client(await lab.broker()).start()
    async with at_work(await lab.broker(), service):
        await client.send("phased", client.command("greet"))
        assert Reply.decode((await client.reply_envelope()).body).unwrap() == {"text": "done"}
    assert await in_thread(InboxMessage.objects.count) == 1


def test_a_handler_that_is_a_coroutine_function_is_refused_at_registration():
    async def greet(body: Greet, message: Message) -> Greeted:
        return Greeted("never")

    async def hear(reply: Reply, message: Message) -> None: ...

    service = Service("asynchronous", replies="asynchronous", events=("greeting.#",))
    for register in (service.command("greet"), service.on_event()):
        with pytest.raises(TypeError, match="write def, not async def"):
            register(greet)
    with pytest.raises(TypeError, match="write def, not async def"):
        service.on_reply(hear)


async def test_a_table_that_is_missing_is_no_outage(lab: MemoryLab, monkeypatch: pytest.MonkeyPatch):
    """SQLite raises the same class of error for both; an outage is waited for, five minutes long."""
    monkeypatch.setattr(worker, "DELIVERY_LIMIT", 2)
    service = Service("unmigrated")
    attempts: list[int] = []

    @service.command("greet")
    def greet(body: Greet, message: Message) -> Greeted:
        attempts.append(1)
        with connection.cursor() as cursor:
            cursor.execute("SELECT a FROM a_table_without_a_migration")
        return Greeted("never")

    client = await Client(await lab.broker()).start()
    async with at_work(await lab.broker(), service):
        await client.send("unmigrated", client.command("greet"))
        await client.dead.next()
    assert len(attempts) == 2
