"""If the handlers of a service only change the database, a message may be recorded with everything else."""

import pytest
from django.contrib.auth.models import Group
from msgspec.structs import replace

from checkout.payments.models import InboxMessage
from messaging.concurrency.database import in_thread
from messaging.worker.service import CommandRejected, Message, Service
from tests.messaging.conftest import at_work
from tests.support.brokers import MemoryLab
from tests.support.services import Client, Greet, Greeted, until

pytestmark = pytest.mark.django_db(transaction=True)


async def test_a_second_run_of_a_handler_is_undone_where_the_record_comes_last(lab: MemoryLab):
    service = Service("counting", records_last=True)
    runs: list[str] = []

    @service.command("greet")
    def greet(body: Greet, message: Message) -> Greeted:
        runs.append(message.envelope.message_id)
        Group.objects.create(name=f"run {len(runs)}")
        return Greeted("once")

    client = await Client(await lab.broker()).start()
    async with at_work(await lab.broker(), service, concurrency=1):
        sent = client.command("greet")
        for _ in range(2):
            await client.send("counting", sent)
        await until(lambda: len(runs) == 2)
    made = await in_thread(lambda: [group.name for group in Group.objects.filter(name__startswith="run")])
    assert made == ["run 1"]
    assert await in_thread(InboxMessage.objects.count) == 1


async def test_a_rejection_because_of_the_handlers_own_effect_is_no_dead_letter(lab: MemoryLab):
    service = Service("strict", records_last=True)

    @service.command("greet")
    def greet(body: Greet, message: Message) -> None:
        if Group.objects.filter(name="greeted").exists():
            raise CommandRejected("greeted_already", "Once is enough.")
        Group.objects.create(name="greeted")

    client = await Client(await lab.broker()).start()
    async with at_work(await lab.broker(), service, concurrency=1):
        sent = replace(client.command("greet"), reply_to="")
        for _ in range(2):
            await client.send("strict", sent)
        await client.send("strict", replace(client.command("greet"), reply_to=""))
        letter = (await client.dead.next()).envelope
    assert letter is not None
    assert letter.message_id != sent.message_id
    assert len(client.dead) == 0
