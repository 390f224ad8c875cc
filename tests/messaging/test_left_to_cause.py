"""Messages caused by a handling are published by its worker, even after a crash, and need no relay."""

from collections.abc import Callable, Iterator

import pytest
from django.contrib.auth.models import Group
from django.utils import timezone

from checkout.payments.dead_letters import keep
from checkout.payments.models import InboxMessage, OutboxMessage
from messaging import crash_points
from messaging.concurrency.database import in_thread
from messaging.envelope import Envelope
from messaging.outbox.relay import Relay
from messaging.outbox.rows import OutboxRows
from messaging.worker import worker
from messaging.worker.service import Message, Obsolete, Reply, Service
from tests.messaging.conftest import at_work
from tests.support.brokers import Inbox, MemoryLab
from tests.support.services import Client, Greet, Greeted, until

pytestmark = pytest.mark.django_db(transaction=True)


def greeter(*, admit: Callable[[Greet, Message], None] | None = None) -> Service:
    service = Service("greeter", admit=admit)

    @service.command("greet")
    def greet(body: Greet, message: Message) -> Greeted:
        Group.objects.create(name=message.envelope.message_id)
        message.publish_event("greeted", body)
        return Greeted(f"Hello {body.name}")

    return service


def listener(heard: list[str]) -> Service:
    service = Service("listener", events=("greeted.#",))

    @service.on_event(transactional=False)
    def note(event: Greet, message: Message) -> None:
        heard.append(event.name)

    return service


@pytest.fixture
def failing_after_commit() -> Iterator[list[int]]:
    """Make workers fail after their commit, as many times as the list's only number says."""
    left = [1]

    def fail(point: str) -> None:
        if point == "worker.committed" and left[0]:
            left[0] -= 1
            raise OSError("The worker ends here.")

    crash_points.observe(fail)
    yield left
    crash_points.observe(None)


async def client_of(lab: MemoryLab) -> Client:
    return await Client(await lab.broker()).start()


async def test_what_a_handler_sends_is_published_without_a_relay_and_never_marked(lab: MemoryLab):
    client = await client_of(lab)
    heard: list[str] = []
    async with at_work(await lab.broker(), greeter()), at_work(await lab.broker(), listener(heard)):
        await client.send("greeter", client.command("greet"))
        await until(lambda: heard)
        assert (await client.reply()).unwrap() == {"text": "Hello you"}
    assert heard == ["you"]
    assert set(await in_thread(list, OutboxMessage.objects.values_list("attempts", "published_at"))) == {
        (0, row.created_at) for row in await in_thread(list, OutboxMessage.objects.all())
    }


async def test_a_worker_that_ended_after_its_commit_publishes_all_at_the_redelivery(
    lab: MemoryLab, failing_after_commit: list[int]
):
    client = await client_of(lab)
    heard: list[str] = []
    async with at_work(await lab.broker(), greeter()), at_work(await lab.broker(), listener(heard)):
        failing_after_commit[0] = 2
        await client.send("greeter", client.command("greet"))
        await until(lambda: heard)
        assert (await client.reply()).unwrap() == {"text": "Hello you"}
    assert heard == ["you"]
    assert await in_thread(Group.objects.count) == 1


async def test_a_command_that_is_obsolete_once_it_is_handled_is_answered_nevertheless(
    lab: MemoryLab, failing_after_commit: list[int]
):
    def admit(body: Greet, message: Message) -> None:
        if Group.objects.exists():
            raise Obsolete("somebody has been greeted")

    client = await client_of(lab)
    async with at_work(await lab.broker(), greeter(admit=admit)):
        await client.send("greeter", client.command("greet"))
        assert (await client.reply()).unwrap() == {"text": "Hello you"}


async def test_what_the_broker_refuses_is_left_to_the_relay(lab: MemoryLab):
    service = Service("greeter")

    @service.command("greet")
    def greet(body: Greet, message: Message) -> Greeted:
        lab.server.stop()
        return Greeted("once")

    client = await client_of(lab)
    async with at_work(await lab.broker(), service):
        await client.send("greeter", client.command("greet"))
        await until(OutboxMessage.objects.filter(published_at=None).exists)
    lab.server.resume()
    await Relay(await lab.broker(), OutboxRows(OutboxMessage, keep)).publish_due()
    answer = await client.reply_envelope()
    assert Reply.decode(answer.body).unwrap() == {"text": "once"}


async def test_a_handled_message_that_was_delivered_too_often_is_no_dead_letter(lab: MemoryLab):
    client, broker = await client_of(lab), await lab.broker()
    sent = client.command("greet")
    async with at_work(broker, greeter()):
        await client.send("greeter", sent)
        first = await client.reply_envelope()
    await client.send("greeter", sent)
    copies = Inbox()
    queue = broker.topology.service_queue("greeter").name
    consumption = await broker.consume(queue, copies, prefetch=1)
    for _ in range(worker.DELIVERY_LIMIT):
        (await copies.next()).reject(requeue=True)
    await consumption.cancel()
    await consumption.release()
    async with at_work(broker, greeter()):
        await until(OutboxMessage.objects.filter(published_at=None).exists)
    assert len(client.dead) == 0
    await Relay(broker, OutboxRows(OutboxMessage, keep)).publish_due()
    assert (await client.reply_envelope()).message_id == first.message_id


async def test_a_command_that_another_worker_has_just_handled_is_answered_though_it_is_obsolete(
    lab: MemoryLab,
):
    """The delivery is not handled when it is checked first; then it is, and therefore obsolete."""

    def admit(body: Greet, message: Message) -> None:
        message_id = message.envelope.message_id
        InboxMessage.objects.create(
            consumer="greeter",
            message_id=message_id,
            type="greet",
            received_at=timezone.now(),
        )
        row = OutboxMessage.of(
            message.topology.replies,
            message.envelope.reply_to,
            Envelope(type="reply", body=Reply.success({"text": "of the other"}).encode()),
        )
        row.causation_id, row.published_at = message_id, row.created_at
        row.save()
        raise Obsolete("the other has done it")

    client = await client_of(lab)
    async with at_work(await lab.broker(), greeter(admit=admit)):
        await client.send("greeter", client.command("greet"))
        assert (await client.reply()).unwrap() == {"text": "of the other"}
