"""The outbox and its relay: no message is forgotten, and none is taken by two relays at once."""

import asyncio
from datetime import timedelta
from typing import Any, cast

import pytest
from django.db import connection
from django.db.models import QuerySet
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from msgspec.structs import replace

from checkout.payments.dead_letters import keep
from checkout.payments.models import InboxMessage, OutboxMessage
from messaging.concurrency.database import in_thread
from messaging.conf import conf
from messaging.envelope import Envelope
from messaging.errors import PublishRefused
from messaging.outbox.models import AbstractOutboxMessage, enqueue
from messaging.outbox.relay import BATCH, MOST_REFUSALS, Relay
from messaging.outbox.rows import OutboxRows
from messaging.topology import Binding, Queue, Topology
from tests.messaging.conftest import at_work
from tests.messaging.test_worker import client_of, greeter
from tests.support.brokers import Inbox, MemoryLab, within
from tests.support.services import Greet, everything_is_marked, until

pytestmark = pytest.mark.django_db(transaction=True)


def the(row: AbstractOutboxMessage) -> QuerySet[OutboxMessage]:
    return OutboxMessage.objects.filter(message_id=row.message_id)


def owed(service: str = "greeter", *, due_in_seconds: float = -1, **changes: Any) -> OutboxMessage:
    """Return a row that its creator has failed to publish."""
    row = enqueue(OutboxMessage, service, "greet", Greet("you"), **changes)
    the(row).update(available_at=timezone.now() + timedelta(seconds=due_in_seconds))
    return OutboxMessage.objects.get(message_id=row.message_id)


def row_of(row: OutboxMessage) -> OutboxMessage:
    return OutboxMessage.objects.get(message_id=row.message_id)


async def test_what_its_creator_left_is_published_and_marked(lab: MemoryLab):
    client = await client_of(lab)
    row = await in_thread(owed, subject="pay_1", reply_to=client.queue.name, correlation_id="c-1")
    async with at_work(await lab.broker(), greeter()):
        await client.send("greeter", client.command("greet"))  # returns once the queue exists
        await client.reply()
        assert await Relay(await lab.broker(), OutboxRows(OutboxMessage, keep)).publish_due() == 1
        answer = await client.reply_envelope()
    assert (answer.subject, answer.causation_id) == ("pay_1", row.message_id)
    assert (await in_thread(row_of, row)).published_at is not None


@pytest.mark.parametrize(
    "change",
    [{"type": "insult"}, {"body": b"{}"}, {"correlation_id": "8"}, {"reply_to": "a.b"}, {"message_id": "m"}],
    ids=str,
)
def test_the_outbox_holds_only_what_was_written_to_it(change: dict[str, Any]):
    written = owed(correlation_id="7").envelope()
    assert OutboxMessage.holds(written, "default")
    assert not OutboxMessage.holds(replace(written, **change), "default")


async def test_what_is_not_due_is_left_alone(lab: MemoryLab):
    relay = Relay(await lab.broker(), OutboxRows(OutboxMessage, keep))
    await in_thread(enqueue, OutboxMessage, "greeter", "greet", Greet("its creator publishes it"))
    await in_thread(owed, due_in_seconds=60)
    assert await relay.publish_due() == 0


async def test_a_delayed_message_is_published_when_its_time_has_come(lab: MemoryLab):
    client = await client_of(lab)
    await in_thread(enqueue, OutboxMessage, "greeter", "greet", Greet("later"), delay_seconds=0.3)
    stop = asyncio.Event()
    relay = asyncio.create_task(
        Relay(await lab.broker(), OutboxRows(OutboxMessage, keep), poll_seconds=0.05).run(stop)
    )
    async with at_work(await lab.broker(), greeter()):
        await client.send("greeter", client.command("greet"))
        await client.reply()
        await until(lambda: InboxMessage.objects.count() == 2)
        await until(everything_is_marked)
    stop.set()
    await within(relay)


async def test_what_had_a_secret_is_published_without_it_when_nobody_has_come_to_do_so(lab: MemoryLab):
    relay = Relay(await lab.broker(), OutboxRows(OutboxMessage, keep, lease_seconds=0))
    row = await in_thread(owed)
    await in_thread(OutboxMessage.objects.update, carries_sealed=True)
    assert await relay.publish_due() == 0
    assert "redelivery" in (await in_thread(row_of, row)).last_error
    assert await relay.publish_due() == 1


async def test_a_message_published_twice_is_handled_once(lab: MemoryLab):
    """Messages are published twice after a crash between publishing and marking."""
    client = await client_of(lab)
    relay = Relay(await lab.broker(), OutboxRows(OutboxMessage, keep))
    async with at_work(await lab.broker(), greeter()):
        await client.send("greeter", client.command("greet"))
        await client.reply()
        row = await in_thread(owed, reply_to=client.queue.name)
        await relay.publish_due()
        first = await client.reply_envelope()
        await until(everything_is_marked)
        await in_thread(
            the(row).update,
            published_at=None,
            available_at=timezone.now(),
        )
        await relay.publish_due()
        await until(everything_is_marked)
    assert await in_thread(InboxMessage.objects.filter(message_id=row.message_id).count) == 1
    for _ in range(len(client.replies)):
        assert (await client.reply_envelope()).message_id == first.message_id


async def test_a_command_does_not_come_after_all_events_that_a_full_queue_refuses(lab: MemoryLab):
    broker = await lab.broker()
    events = broker.topology.events
    full = Queue(
        f"{events}.listener",
        {"x-queue-type": "classic", "x-max-length": 1, "x-overflow": "reject-publish"},
        (Binding(events, "payment.captured"),),
    )
    greeter_queue = broker.topology.service_queue("greeter")
    await broker.declare(full, greeter_queue)
    relay = Relay(broker, OutboxRows(OutboxMessage, keep))
    await in_thread(waiting_events, events, 1)
    assert await relay.publish_due() == 1, "the queue is full now"
    await in_thread(waiting_events, events, 1000, attempts=9, last_error=f"{PublishRefused.code}: full")
    command = await in_thread(enqueue, OutboxMessage, "greeter", "greet", Greet("you"), delay_seconds=0)
    assert await relay.publish_due() == BATCH
    assert await relay.publish_due() == 1
    assert not await in_thread(the(command).filter(published_at=None).exists)
    assert await in_thread(OutboxMessage.objects.filter(published_at=None).count) == 1000


def waiting_events(exchange: str, count: int, **changes: Any) -> None:
    OutboxMessage.objects.bulk_create(
        OutboxMessage(
            message_id=f"{count}-{number}",
            exchange=exchange,
            routing_key="payment.captured",
            type="payment.captured",
            body="{}",
            available_at=timezone.now() - timedelta(minutes=1),
            **changes,
        )
        for number in range(count)
    )


@pytest.mark.parametrize(
    ("count", "refused", "are_postponed"),
    [(BATCH // 2, BATCH // 2, True), (BATCH // 2, BATCH // 2 - 1, False), (9, 9, False)],
)
def test_waiting_events_are_postponed_only_if_all_of_many_are_refused(
    count: int, refused: int, are_postponed: bool
):
    events, full = Topology(conf.prefix).events, f"{PublishRefused.code}: full"
    source = OutboxRows(OutboxMessage, keep)
    waiting_events(events, count)
    taken = source.take()
    for row in taken[:refused]:
        row.last_error, row.available_at = full, timezone.now() + timedelta(minutes=1)
    waiting_events(events, 10, last_error=full)
    waiting_events(events, 11, last_error="publish_uncertain: lost")
    source.note(taken, taken[:refused])
    due = [row.last_error for row in source.take()]
    assert due.count(full) == (0 if are_postponed else 10)
    assert due.count("publish_uncertain: lost") == 11


async def test_a_command_that_nobody_takes_stays_owed_with_a_growing_pause(lab: MemoryLab):
    relay = Relay(await lab.broker(), OutboxRows(OutboxMessage, keep))
    row = await in_thread(owed, "nobody")
    pauses = []
    for attempts in range(1, 4):
        assert await relay.publish_due() == 1
        failed = await in_thread(row_of, row)
        assert failed.published_at is None
        assert failed.attempts == attempts
        assert failed.last_error.startswith("undeliverable")
        assert failed.available_at > timezone.now()
        pauses.append(failed.available_at - timezone.now())
        await in_thread(the(row).update, available_at=timezone.now())
    assert pauses[2] > pauses[0]


async def test_an_event_that_nobody_listens_to_is_done_with(lab: MemoryLab):
    broker = await lab.broker()
    event = OutboxMessage.of(broker.topology.events, "payment.captured", Envelope(type="e", body=b"{}"))
    event.available_at = timezone.now()
    await in_thread(event.save)
    assert await Relay(broker, OutboxRows(OutboxMessage, keep)).publish_due() == 1
    assert (await in_thread(row_of, event)).published_at is not None


async def test_a_reply_that_the_queue_of_a_process_refuses_for_long_is_given_up(lab: MemoryLab):
    broker = await lab.broker()
    topology = broker.topology
    name = f"{topology.prefix}.node.gone"
    limits: dict[str, str | int] = {
        "x-queue-type": "classic",
        "x-max-length": 0,
        "x-overflow": "reject-publish",
    }
    await broker.declare(Queue(name, limits, (Binding(topology.replies, name),)))
    reply = OutboxMessage.of(topology.replies, name, Envelope(type="reply", body=b"{}"))
    reply.available_at = timezone.now()
    await in_thread(reply.save)
    relay = Relay(broker, OutboxRows(OutboxMessage, keep))
    for _ in range(MOST_REFUSALS):
        assert await relay.publish_due() == 1
        assert (await in_thread(row_of, reply)).published_at is None
        await in_thread(the(reply).update, available_at=timezone.now())
    await relay.publish_due()
    assert (await in_thread(row_of, reply)).published_at is not None


async def test_an_event_that_a_full_queue_refuses_stays_owed(lab: MemoryLab):
    broker = await lab.broker()
    topology = broker.topology
    limits: dict[str, str | int] = {
        "x-queue-type": "quorum",
        "x-max-length": 0,
        "x-overflow": "reject-publish",
    }
    await broker.declare(Queue("listener", limits, (Binding(topology.events, "payment.captured"),)))
    event = OutboxMessage.of(topology.events, "payment.captured", Envelope(type="e", body=b"{}"))
    event.available_at, event.attempts = timezone.now(), MOST_REFUSALS
    await in_thread(event.save)
    await Relay(broker, OutboxRows(OutboxMessage, keep)).publish_due()
    assert (await in_thread(row_of, event)).published_at is None


async def test_several_relays_at_once_take_every_row_once():
    def many() -> None:
        now = timezone.now()
        OutboxMessage.objects.bulk_create(
            OutboxMessage(message_id=f"m{number}", type="t", body="{}", available_at=now)
            for number in range(3 * BATCH)
        )

    await in_thread(many)
    sources = [OutboxRows(OutboxMessage, keep) for _ in range(6)]
    taken = await asyncio.gather(*(in_thread(source.take) for source in sources))
    ids = [row.message_id for rows in taken for row in rows]
    assert len(ids) == len(set(ids))
    while rows := await in_thread(sources[0].take):
        ids += [row.message_id for row in rows]
    assert sorted(ids) == sorted(f"m{number}" for number in range(3 * BATCH))


async def test_what_a_dead_relay_took_is_due_again_after_the_lease():
    row = await in_thread(owed)
    assert len(await in_thread(OutboxRows(OutboxMessage, keep, lease_seconds=60).take)) == 1
    assert len(await in_thread(OutboxRows(OutboxMessage, keep).take)) == 0
    await in_thread(the(row).update, available_at=timezone.now())
    assert len(await in_thread(OutboxRows(OutboxMessage, keep).take)) == 1


async def test_the_relay_waits_for_the_broker(lab: MemoryLab):
    client = await client_of(lab)
    inbox = Inbox()
    queue = client.broker.topology.service_queue("greeter")
    await client.broker.declare(queue)
    await client.broker.consume(queue.name, inbox, prefetch=1)
    broker = await lab.broker()
    await lab.go_down()
    row = await in_thread(owed)
    stop = asyncio.Event()
    relay = asyncio.create_task(Relay(broker, OutboxRows(OutboxMessage, keep), poll_seconds=0.01).run(stop))
    done, _ = await asyncio.wait({relay}, timeout=0.1)
    assert not done
    assert (await in_thread(row_of, row)).attempts == 0
    await lab.come_back()
    await inbox.next()
    stop.set()
    await within(relay)


async def test_rows_are_taken_by_one_statement_the_oldest_first():
    rows = [await in_thread(owed, due_in_seconds=-1 - number) for number in range(3)]
    # PostgreSQL moves the row behind the others in its table.
    await in_thread(the(rows[0]).update, subject="")

    def take() -> tuple[int, list[OutboxMessage]]:
        with CaptureQueriesContext(connection) as statements:
            taken = cast(list[OutboxMessage], OutboxRows(OutboxMessage, keep).take())
        return len(statements), taken

    count, taken = await in_thread(take)
    assert (count, taken) == (1, rows)
    assert [row.envelope() for row in taken] == [row.envelope() for row in rows]
    assert await in_thread(take) == (1, [])


async def test_a_row_makes_the_message_it_was_made_of():
    sent = Envelope(
        type="t",
        body=b'{"n": 1}',
        correlation_id="c",
        reply_to="r",
        headers={"subject": "s", "causation-id": "m", "x": 1, "sealed": "secret", "deadline": 5},
    )
    row = OutboxMessage.of("exchange", "key", sent)
    assert row.envelope() == sent.with_sealed("")
    assert "secret" not in str(vars(row))
