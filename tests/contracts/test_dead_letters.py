"""The way of a message that cannot be handled, from its service to the database and back, on every broker."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from django.db import OperationalError
from msgspec.structs import replace

from checkout.payments import dead_letters
from checkout.payments.actions import requeue_dead_letter
from checkout.payments.models import DeadLetter, InboxMessage, OutboxMessage
from messaging.concurrency.database import in_thread
from messaging.dead_letters.consumer import DeadLetterConsumer
from messaging.dead_letters.letter import read
from messaging.delivery import Death, Delivery
from messaging.envelope import Envelope
from messaging.outbox.relay import Relay
from messaging.outbox.rows import OutboxRows
from messaging.worker.message import Message
from messaging.worker.service import Service
from tests.messaging.conftest import at_work
from tests.support.brokers import Inbox, Lab, within
from tests.support.services import Greet, Greeted, until

pytestmark = pytest.mark.django_db(transaction=True)


@asynccontextmanager
async def draining(lab: Lab, keep=dead_letters.keep) -> AsyncIterator[None]:
    stop = asyncio.Event()
    running = asyncio.create_task(DeadLetterConsumer(await lab.broker(), keep).run(stop))
    try:
        yield
    finally:
        stop.set()
        await within(running)


def letter() -> DeadLetter | None:
    return DeadLetter.objects.first()


def greeting(**headers: str) -> Envelope:
    return Envelope(type="greet", body=b'{"name": "you"}', headers=headers)


async def test_what_its_service_gives_up_on_is_kept_and_handled_when_it_is_sent_again(lab: Lab):
    service, is_mended = Service("hopeless"), asyncio.Event()

    @service.command("greet")
    def greet(body: Greet, message: Message) -> Greeted:
        if not is_mended.is_set():
            raise OSError("not yet")
        return Greeted("at last")

    broker = await lab.broker()
    await broker.declare(broker.topology.service_queue("hopeless"))
    poison, sound = greeting(sealed="a card"), Envelope(type="greet", body=b'{"name": "other"}')
    async with draining(lab), at_work(broker, service):
        await broker.publish(broker.topology.commands, "hopeless", poison, timeout_seconds=10)
        kept = await until(letter)
        assert kept is not None
        assert (kept.message_id, kept.service) == (poison.message_id, "hopeless")
        assert "a card" not in str(vars(kept))
        is_mended.set()
        await broker.publish(broker.topology.commands, "hopeless", sound, timeout_seconds=10)
        await until(lambda: InboxMessage.objects.filter(message_id=sound.message_id).exists())
        await in_thread(requeue_dead_letter, kept.pk, by="Ada")
        assert await Relay(broker, OutboxRows(OutboxMessage, dead_letters.keep)).publish_due() == 1
        await until(lambda: InboxMessage.objects.filter(message_id=poison.message_id).exists())
    assert await in_thread(DeadLetter.objects.count) == 1


async def test_what_the_broker_gives_up_on_is_kept_without_its_secret(lab: Lab):
    broker = await lab.broker()
    queue = broker.topology.service_queue("foreign")
    await broker.declare(queue)
    sent = greeting(sealed="a card", subject="pay_1")
    async with draining(lab):
        refusing = await broker.consume(
            queue.name, lambda delivery: delivery.reject(requeue=False), prefetch=1
        )
        await broker.publish(broker.topology.commands, "foreign", sent, timeout_seconds=10)
        kept = await until(letter)
        await refusing.release()
    assert kept is not None
    assert (kept.message_id, kept.queue) == (sent.message_id, queue.name)
    assert "a card" not in str(vars(kept))
    await in_thread(requeue_dead_letter, kept.pk, by="Ada")
    inbox = Inbox()
    await broker.consume(queue.name, inbox, prefetch=1, auto_ack=True)
    await Relay(broker, OutboxRows(OutboxMessage, dead_letters.keep)).publish_due()
    again = (await inbox.next()).envelope
    assert again is not None
    assert (again.message_id, again.body) == (sent.message_id, sent.body)
    assert again.headers == sent.with_sealed("").headers


@pytest.mark.parametrize(
    "large",
    # Names of headers whose lengths and types take more room in a frame than the names, which have one
    # letter.
    [{"baggage": "x" * 130_400}, {f"dead-{number}": "" for number in range(7_000)}],
    ids=["a long one", "many short ones"],
)
async def test_a_message_with_headers_over_the_limit_is_kept_with_these_cut(lab: Lab, large: dict[str, str]):
    """A frame has hardly more room, so a worker could not add the reason to them."""
    service = Service("greeter")

    @service.command("greet")
    def greet(body: Greet, message: Message) -> Greeted:
        raise AssertionError("nothing reaches the handler")

    broker = await lab.broker()
    await broker.declare(broker.topology.service_queue("greeter"))
    sent = greeting(subject="pay_1", **large)
    async with draining(lab), at_work(broker, service):
        await broker.publish(broker.topology.commands, "greeter", sent, timeout_seconds=10)
        kept = await until(letter)
    assert kept is not None
    assert (kept.message_id, kept.subject, kept.service) == (sent.message_id, "pay_1", "greeter")
    assert "more than 30000" in kept.reason
    assert sum(map(len, kept.headers)) + sum(len(str(text)) for text in kept.headers.values()) < 30_000


async def test_letters_with_large_bodies_do_not_keep_the_next_one_from_being_kept(lab: Lab):
    """A body that is not JSON may be larger, and a letter's body is JSON."""
    broker = await lab.broker()
    body = b'{"name": "' + b"x" * 300_000 + b'"}'
    async with draining(lab):
        for number in range(10):
            large = Envelope(type="greet", body=body, content_type="application/json; charset=utf-8")
            told = replace(large, headers={"dead-reason": "a worker says so"} if number % 2 else {})
            await broker.publish(broker.topology.dead, "", told, timeout_seconds=10)
        await broker.publish(broker.topology.dead, "", greeting(), timeout_seconds=10)
        await until(lambda: DeadLetter.objects.count() == 11)
    kept = await in_thread(list, DeadLetter.objects.filter(headers__has_key="dead-altered"))
    assert all('"bytes":300012' in row.body for row in kept)
    assert len(kept) == 10


async def test_a_body_over_the_limit_of_json_is_kept_and_not_handled_whatever_its_type_is_called(lab: Lab):
    service = Service("greeter")

    @service.command("greet")
    def greet(body: Greet, message: Message) -> Greeted:
        raise AssertionError("nothing reaches the handler")

    broker = await lab.broker()
    await broker.declare(broker.topology.service_queue("greeter"))
    body = b'{"name": "' + b"x" * 300_000 + b'"}'
    sent = Envelope(type="greet", body=body, content_type="application/json; charset=utf-8")
    async with draining(lab), at_work(broker, service):
        await broker.publish(broker.topology.commands, "greeter", sent, timeout_seconds=10)
        kept = await until(letter)
    assert kept is not None
    assert (kept.message_id, kept.service) == (sent.message_id, "greeter")
    assert kept.reason == "a body of 300012 bytes is over the limit of 262144"


async def test_two_drains_keep_a_message_that_died_twice_as_one(lab: Lab):
    broker = await lab.broker()
    sent = greeting(**{"dead-reason": "5 attempts failed"})
    async with draining(lab), draining(lab):
        for _ in range(6):
            await broker.publish(broker.topology.dead, "", sent, timeout_seconds=10)
        await until(lambda: DeadLetter.objects.filter(copies=6).exists())
    assert await in_thread(DeadLetter.objects.count) == 1


async def test_a_letter_waits_for_a_database_that_is_away(lab: Lab):
    tries: list[Envelope] = []

    def keep(letter: Envelope) -> None:
        tries.append(letter)
        if len(tries) == 1:
            raise OperationalError("the database system is starting up")
        dead_letters.keep(letter)

    broker = await lab.broker()
    async with draining(lab, keep):
        await broker.publish(broker.topology.dead, "", greeting(), timeout_seconds=10)
        await until(letter)
    assert len(tries) == 2


async def test_a_letter_is_acknowledged_only_once_it_is_kept(lab: Lab):
    """If the consumer dies before storing the letter, the letter is delivered again."""
    broker, dying = await lab.broker(), await lab.broker()
    given = asyncio.Event()

    def hang(delivery: object) -> None:
        given.set()

    await dying.consume(broker.topology.dead_queue.name, hang, prefetch=1)
    await broker.publish(broker.topology.dead, "", greeting(), timeout_seconds=10)
    await within(given.wait())
    async with draining(lab):
        await dying.close()
        await until(letter)


@pytest.mark.parametrize("header", ["dead-altered", "dead-reason", "dead-service", "dead-queue", "note"])
def test_no_header_of_a_letter_is_stored_as_it_came(header: str):
    """Every service may write a letter, and PostgreSQL refuses a NUL: such letters would come for ever."""
    dead_letters.keep(greeting(**{"dead-reason": "why", header: "\0 4444333322221111"}))
    kept = DeadLetter.objects.get()
    assert "4444333322221111" not in str(vars(kept))
    assert "\0" not in str(kept.headers) + kept.reason + kept.service + kept.queue


async def test_the_brokers_word_is_not_believed_of_one_who_may_not_send_to_the_queue(lab: Lab, settings: Any):
    """Every service may publish to the queue of dead letters, with whatever headers it likes."""
    settings.MESSAGING_SINGLE_BROKER_USER = False
    topology = lab.unconnected_broker().topology
    queue = topology.service_queue("ledger").name
    for sender, is_believed in (("checkout", True), ("risk", False)):
        envelope = Envelope(type="ledger.post", body=b"{}", user_id=topology.user(sender))
        delivery = Delivery(
            envelope=envelope, exchange=topology.dead, routing_key="", death=Death(queue, "delivery_limit")
        )
        told = read(delivery, topology)
        assert told.headers["dead-queue"] == (queue if is_believed else "")
        assert told.headers["dead-sender"] == topology.user(sender)
        assert queue in f"{told.headers['dead-queue']} {told.headers['dead-reason']}"
