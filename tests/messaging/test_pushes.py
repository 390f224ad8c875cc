"""Pushes of handlers to groups of the channel layer."""

import pytest
from channels.layers import get_channel_layer

from messaging.envelope import MAX_CHANNEL_BODY_BYTES
from messaging.worker.service import Message, Reply, Service
from tests.messaging.conftest import at_work
from tests.support.brokers import MemoryLab, within
from tests.support.services import Client, Greet, Greeted

pytestmark = pytest.mark.django_db(transaction=True)


async def test_a_push_reaches_the_group(lab: MemoryLab):
    service = Service("pusher")

    @service.command("greet")
    def greet(body: Greet, message: Message) -> None:
        message.push("watchers", {"type": "hello", "name": body.name})

    client = await Client(await lab.broker()).start()
    layer = get_channel_layer()
    channel = await layer.new_channel()
    await layer.group_add("watchers", channel)
    async with at_work(await lab.broker(), service):
        await client.send("pusher", client.command("greet"))
        assert await within(layer.receive(channel)) == {"type": "hello", "name": "you"}


async def test_a_push_that_is_too_large_keeps_no_other_from_being_sent(lab: MemoryLab):
    service = Service("pusher")

    @service.command("greet")
    def greet(body: Greet, message: Message) -> Greeted:
        message.push("watchers", {"type": "hello", "data": "x" * (MAX_CHANNEL_BODY_BYTES + 1)})
        message.push("watchers", {"type": "hello", "name": body.name})
        return Greeted("done")

    client = await Client(await lab.broker()).start()
    layer = get_channel_layer()
    channel = await layer.new_channel()
    await layer.group_add("watchers", channel)
    async with at_work(await lab.broker(), service):
        await client.send("pusher", client.command("greet"))
        assert await within(layer.receive(channel)) == {"type": "hello", "name": "you"}
        assert Reply.decode((await client.reply_envelope()).body).unwrap() == {"text": "done"}
