"""Messages to channels and groups, and addresses for replies, from programs that have no right to them."""

import asyncio

import msgspec
import pytest
from django.contrib.auth.models import Group

from messaging.channels.layer import MSGPACK, TO_CHANNEL, TO_GROUP, RabbitmqChannelLayer
from messaging.envelope import Envelope
from messaging.registry import get_broker
from messaging.worker.service import Message, Service
from tests.contracts.layers import silent
from tests.messaging.conftest import at_work
from tests.support.broker_users import let_do_anything, url_of
from tests.support.brokers import Inbox, Lab, within
from tests.support.services import Greet, Greeted, until

OURS = msgspec.msgpack.encode({"type": "payment.change!"})
PUSH = msgspec.msgpack.encode({"type": "payment.changed"})


@pytest.fixture(autouse=True)
async def _users(lab: Lab, settings) -> None:
    await lab.make_users()
    settings.MESSAGING_SINGLE_BROKER_USER = False
    settings.BROKER_URL = url_of("web", lab.url, prefix=lab.prefix)


def push(type: str, body: bytes = PUSH, **headers: str) -> Envelope:
    return Envelope(type=type, body=body, content_type=MSGPACK, headers=dict(headers))


async def test_a_service_that_may_not_push_reaches_no_channel_of_a_process_that_it_may_answer(lab: Lab):
    layer = RabbitmqChannelLayer()
    channel = await layer.new_channel()
    here = get_broker()
    answers = Envelope(type="payment.changed", body=b"{}", correlation_id=channel.partition("!")[2])
    payments, checkout = await lab.broker_of("payments"), await lab.broker_of("checkout")
    own, replies = here.reply_queue.name, here.topology.replies
    reading = asyncio.create_task(layer.receive(channel))
    for forged in (push(TO_CHANNEL, channel=channel), answers):
        await payments.publish(replies, own, forged, timeout_seconds=10)
    await checkout.publish(replies, own, push(TO_CHANNEL, OURS, channel=channel), timeout_seconds=10)
    assert await within(reading) == {"type": "payment.change!"}
    await silent(layer, channel)
    assert here.metrics()["not_entitled"] == 2


async def test_a_program_that_an_operator_lets_do_anything_reaches_no_group(lab: Lab):
    layer = RabbitmqChannelLayer()
    channel = await layer.new_channel()
    await layer.group_add("payment", channel)
    await asyncio.to_thread(let_do_anything, "risk", lab.url, prefix=lab.prefix)
    risk, checkout = await lab.broker_of("risk"), await lab.broker_of("checkout")
    for sender, body in ((risk, PUSH), (checkout, OURS)):
        await sender.publish(sender.topology.groups, "payment", push(TO_GROUP, body), timeout_seconds=10)
    assert await within(layer.receive(channel)) == {"type": "payment.change!"}
    assert get_broker().metrics()["not_entitled"] == 1


async def test_a_push_that_is_no_messagepack_ends_no_reader(lab: Lab):
    layer = RabbitmqChannelLayer()
    channel = await layer.new_channel()
    await layer.group_add("payment", channel)
    checkout = await lab.broker_of("checkout")
    for body in (b"\xc1", b"\xa1\xff", b"\x91" * 100_000, PUSH):
        await checkout.publish(checkout.topology.groups, "payment", push(TO_GROUP, body), timeout_seconds=10)
    assert await within(layer.receive(channel)) == {"type": "payment.changed"}


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("address", ["node.web-zzz", "node.web-", "node.web-1\n", "node.web-1.2"])
async def test_an_address_at_which_nobody_may_answer_costs_the_service_no_connection(lab: Lab, address: str):
    service = Service("checkout")

    @service.command("checkout.await_payment")
    def greet(body: Greet, message: Message) -> Greeted:
        Group.objects.create(name=message.envelope.message_id)
        return Greeted("Hello")

    web, checkout, relay = [await lab.broker_of(name) for name in ("web", "checkout", "relay")]
    dead = Inbox()
    await relay.consume(relay.topology.dead, dead, prefetch=10)
    await checkout.declare(checkout.topology.service_queue("checkout"))
    async with at_work(checkout, service):
        for reply_to in (f"{lab.prefix}.{address}", ""):
            command = Envelope(type="checkout.await_payment", body=b'{"name": "you"}', reply_to=reply_to)
            await web.publish(web.topology.commands, "checkout", command, timeout_seconds=10)
        await until(Group.objects.exists)
        letter = (await dead.next()).envelope
    assert letter is not None
    assert "does not wait for replies at" in str(letter.headers["dead-reason"])
    assert checkout.metrics()["connections_lost"] == 0
