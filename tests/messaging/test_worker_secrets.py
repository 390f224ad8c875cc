"""Secrets on their way through a worker: in messages and in memory, but never stored."""

import threading

import pytest

from checkout.payments.models import InboxMessage, OutboxMessage
from messaging.concurrency.database import in_thread
from messaging.worker.service import Message, Service
from tests.messaging.conftest import at_work
from tests.support.brokers import Inbox, MemoryLab
from tests.support.services import Client, Greet, Greeted, everything_is_marked, until

pytestmark = pytest.mark.django_db(transaction=True)


async def client_of(lab: MemoryLab) -> Client:
    return await Client(await lab.broker()).start()


async def test_a_secret_travels_on_commands_and_replies_and_is_stored_nowhere(lab: MemoryLab):
    service = Service("courier", replies="courier")

    @service.command("greet")
    def greet(body: Greet, message: Message) -> Greeted:
        message.send("next", "next.step", {"n": 1}, correlation_id="c-2")
        message.send("next", "next.later", {"n": 2}, delay_seconds=60)
        message.publish_event("greeting.sent", {"n": 3})
        message.reply_transient(client.queue.name, "c-3", {"n": 4})
        return Greeted("sealed")

    client = await client_of(lab)
    topology = client.broker.topology
    commands, events = Inbox(), Inbox()
    for queue, inbox in (
        (topology.service_queue("next"), commands),
        (topology.event_queue("log", ("#",)), events),
    ):
        await client.broker.declare(queue)
        await client.broker.consume(queue.name, inbox, prefetch=10, auto_ack=True)
    async with at_work(await lab.broker(), service):
        await client.send("courier", client.command("greet", sealed="secret"))
        step = (await commands.next()).envelope
        event = (await events.next()).envelope
        answers = {reply.correlation_id: reply for reply in [await client.reply_envelope() for _ in range(2)]}
    assert step is not None
    assert event is not None
    assert (step.sealed, step.reply_to) == ("secret", f"{topology.replies}.courier")
    assert answers["c-1"].sealed == "secret"
    assert answers["c-3"].sealed == ""
    assert event.sealed == ""
    assert event.headers["cloudEvents:type"] == "greeting.sent"
    assert event.headers["cloudEvents:id"] == event.message_id
    assert event.headers["cloudEvents:specversion"] == "1.0"
    assert len(commands) == 0, "the delayed one is the relay's"
    assert "secret" not in str(await in_thread(lambda: list(OutboxMessage.objects.values())))
    assert "secret" not in str(await in_thread(lambda: list(InboxMessage.objects.values())))


async def test_a_secret_that_the_handler_has_taken_goes_no_further(lab: MemoryLab):
    service = Service("courier")
    taken: list[str] = []

    @service.command("greet")
    def greet(body: Greet, message: Message) -> Greeted:
        taken.append(message.take_sealed())
        message.send("next", "next.step", {"n": 1})
        return Greeted("used")

    client, commands = await client_of(lab), Inbox()
    queue = client.broker.topology.service_queue("next")
    await client.broker.declare(queue)
    await client.broker.consume(queue.name, commands, prefetch=10, auto_ack=True)
    async with at_work(await lab.broker(), service):
        await client.send("courier", client.command("greet", sealed="secret"))
        step, answer = (await commands.next()).envelope, await client.reply_envelope()
    assert taken == ["secret"]
    assert step is not None
    assert (step.sealed, answer.sealed) == ("", "")


def courier(delay_seconds: float) -> Service:
    service = Service("courier")

    @service.command("greet")
    def greet(body: Greet, message: Message) -> None:
        message.send("next", "next.step", {"n": 1}, delay_seconds=delay_seconds, keeps_sealed=True)

    return service


async def test_a_secret_can_wait_in_memory_for_a_delayed_message_and_is_stored_nowhere(lab: MemoryLab):
    client, commands = await client_of(lab), Inbox()
    queue = client.broker.topology.service_queue("next")
    await client.broker.declare(queue)
    await client.broker.consume(queue.name, commands, prefetch=10, auto_ack=True)
    async with at_work(await lab.broker(), courier(0.05)):
        await client.send("courier", client.command("greet", sealed="secret"))
        step = (await commands.next()).envelope
        assert step is not None
        assert step.sealed == "secret"
        await until(everything_is_marked)
    assert "secret" not in str(await in_thread(lambda: list(OutboxMessage.objects.values())))


async def test_a_secret_for_a_service_that_has_no_queue_yet_stays_with_its_message(
    lab: MemoryLab, caplog: pytest.LogCaptureFixture
):
    """The relay could send the next message only without its secret, so the first one is not acknowledged."""
    client, commands = await client_of(lab), Inbox()
    queue = client.broker.topology.service_queue("next")
    async with at_work(await lab.broker(), courier(0)):
        await client.send("courier", client.command("greet", sealed="secret"))
        await until(lambda: "undeliverable" in caplog.text)
        await client.broker.declare(queue)
        await client.broker.consume(queue.name, commands, prefetch=10, auto_ack=True)
        step = (await commands.next()).envelope
    assert step is not None
    assert step.sealed == "secret"
    assert "secret" not in str(await in_thread(lambda: list(OutboxMessage.objects.values())))


async def test_what_waits_in_memory_is_sent_before_its_process_ends_and_left_alone_by_the_relay(
    lab: MemoryLab,
):
    client, commands = await client_of(lab), Inbox()
    queue = client.broker.topology.service_queue("next")
    await client.broker.declare(queue)
    await client.broker.consume(queue.name, commands, prefetch=10, auto_ack=True)
    async with at_work(await lab.broker(), courier(600)):
        await client.send("courier", client.command("greet", sealed="secret"))
        row = await until(OutboxMessage.objects.first)
        assert row is not None
        assert (row.available_at - row.created_at).total_seconds() > 600
        assert len(commands) == 0
    step = (await commands.next()).envelope
    assert step is not None
    assert step.sealed == "secret"


async def test_a_handler_that_ends_after_its_process_was_told_to_stop_has_its_secret_sent(lab: MemoryLab):
    service = Service("courier")
    begun, may_end = threading.Event(), threading.Event()

    @service.command("greet")
    def greet(body: Greet, message: Message) -> None:
        message.send("next", "next.step", {"n": 1}, delay_seconds=600, keeps_sealed=True)
        begun.set()
        assert may_end.wait(20)

    client, commands = await client_of(lab), Inbox()
    queue = client.broker.topology.service_queue("next")
    await client.broker.declare(queue)
    await client.broker.consume(queue.name, commands, prefetch=10, auto_ack=True)
    async with at_work(await lab.broker(), service) as stop:
        await client.send("courier", client.command("greet", sealed="secret"))
        await in_thread(begun.wait, 20)
        stop.set()
        await lab.nobody_reads(client.broker.topology.service_queue("courier").name)
        may_end.set()
    assert await in_thread(everything_is_marked), "the worker waited for it to be sent"
    step = (await commands.next()).envelope
    assert step is not None
    assert step.sealed == "secret"


async def test_without_a_secret_a_delayed_message_is_the_relays(lab: MemoryLab):
    client = await client_of(lab)
    async with at_work(await lab.broker(), courier(600)):
        await client.send("courier", client.command("greet"))
        row = await until(OutboxMessage.objects.first)
    assert row is not None
    assert (row.available_at - row.created_at).total_seconds() == 600
    assert await in_thread(lambda: OutboxMessage.objects.get().published_at) is None
