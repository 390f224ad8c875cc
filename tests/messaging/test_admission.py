"""A handler may check in its transaction if its command may be sent; no command runs unchecked."""

from collections.abc import Callable

import pytest
from django.contrib.auth.models import Group
from django.db import transaction

from checkout.payments.models import InboxMessage
from messaging.concurrency.database import in_thread
from messaging.worker import worker
from messaging.worker.service import Message, NotEntitled, Obsolete, Service
from tests.messaging.conftest import at_work
from tests.support.brokers import MemoryLab
from tests.support.services import Client, Greet, until

pytestmark = pytest.mark.django_db(transaction=True)

Admit = Callable[[Greet, Message], None]


def greeter(admit: Admit, *, forgets: bool = False) -> Service:
    """Return a service whose handler makes a group, and then admits the command in the same transaction."""
    service = Service("greeter", admit=admit)

    @service.command("greet", transactional=False, admits_itself=True)
    def greet(body: Greet, message: Message) -> None:
        with transaction.atomic():
            Group.objects.create(name=body.name)
            if not forgets:
                message.admit()
        with message.once():
            message.reply({"text": f"Hello {body.name}"})

    return service


def admit_all(body: Greet, message: Message) -> None:
    """Let all participants send every command."""


def admit_none(body: Greet, message: Message) -> None:
    raise NotEntitled("nobody has asked for it")


def find_obsolete(body: Greet, message: Message) -> None:
    raise Obsolete("nobody waits for it any more")


async def sent(lab: MemoryLab) -> Client:
    client = await Client(await lab.broker()).start()
    await client.send("greeter", client.command("greet"))
    return client


def is_recorded() -> bool:
    return InboxMessage.objects.exists()


def groups() -> int:
    return Group.objects.count()


async def test_what_it_admits_is_carried_out(lab: MemoryLab):
    async with at_work(await lab.broker(), greeter(admit_all)):
        client = await sent(lab)
        assert (await client.reply()).unwrap() == {"text": "Hello you"}
    assert await in_thread(groups) == 1


async def test_what_it_does_not_admit_changes_nothing_and_becomes_a_dead_letter(lab: MemoryLab):
    async with at_work(await lab.broker(), greeter(admit_none)):
        client = await sent(lab)
        letter = (await client.dead.next()).envelope
    assert letter is not None
    assert letter.headers["dead-reason"] == "not entitled: nobody has asked for it"
    assert (await in_thread(groups), await in_thread(is_recorded)) == (0, False)


async def test_what_is_obsolete_changes_nothing_and_counts_as_handled(lab: MemoryLab):
    async with at_work(await lab.broker(), greeter(find_obsolete)):
        await sent(lab)
        await until(is_recorded)
    assert await in_thread(groups) == 0


async def test_a_handler_that_forgets_to_check_can_conclude_nothing(lab: MemoryLab, monkeypatch):
    monkeypatch.setattr(worker, "LONGEST_PAUSE_SECONDS", 0.001)
    async with at_work(await lab.broker(), greeter(admit_all, forgets=True)):
        client = await sent(lab)
        letter = (await client.dead.next()).envelope
    assert letter is not None
    assert letter.headers["dead-reason"] == "10 attempts failed"
    assert not await in_thread(is_recorded)
