"""A worker that is to stop takes no new work from any of its queues."""

import asyncio
import threading

import pytest
from django.contrib.auth.models import Group

from messaging.concurrency.database import in_thread
from messaging.worker.service import Message, Reply, Service
from tests.messaging.conftest import at_work
from tests.support.brokers import Inbox, MemoryLab, within
from tests.support.services import Client, Greet

pytestmark = pytest.mark.django_db(transaction=True)


async def test_what_arrives_in_any_queue_after_the_stop_is_for_another_worker(lab: MemoryLab):
    asker, begun, may_end = Service("asker", replies="asker"), asyncio.Event(), threading.Event()
    loop = asyncio.get_running_loop()

    @asker.command("ask")
    def ask(body: Greet, message: Message) -> None:
        loop.call_soon_threadsafe(begun.set)
        assert may_end.wait(20)

    @asker.on_reply
    def resume(reply: Reply, message: Message) -> None:
        Group.objects.create(name="resumed")

    client, successor = await Client(await lab.broker()).start(), Inbox()
    topology = client.broker.topology
    async with at_work(await lab.broker(), asker) as stop:
        await client.send("asker", client.command("ask"))
        await within(begun.wait())
        stop.set()
        reply = client.command("reply", Reply.failure("late", "It comes after the stop.").encode())
        # Published before the worker has noticed that it is to stop.
        client.broker.publish_nowait(topology.replies, topology.reply_queue_name("asker"), reply, print)
        await client.broker.consume(topology.reply_queue_name("asker"), successor, prefetch=1)
        again = await successor.next()
        may_end.set()
    assert again.envelope is not None
    assert again.envelope.message_id == reply.message_id
    assert again.delivery_count == 0
    assert not await in_thread(Group.objects.exists)
