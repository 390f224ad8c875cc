"""Events are published from their table: all of them, in order, whenever their transactions commit."""

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import msgspec
import pytest
from django.db import connection, transaction
from django.utils import timezone

from checkout.database.append_only import erasing_on_purpose
from checkout.payments.events import MOST_BYTES, log, move_payment
from checkout.payments.events.log import FORGOTTEN_AFTER, OLD, EventLog, unpublished_events
from checkout.payments.models import Attempt, Event, EventPosition, OutboxMessage
from checkout.payments.objects import EventObject, event_object
from checkout.states import Actor
from messaging.concurrency.database import in_thread
from messaging.outbox.models import AbstractOutboxMessage
from messaging.outbox.relay import Relay
from messaging.topology import Binding, Queue
from tests.messaging.conftest import lab
from tests.support.brokers import Inbox, MemoryLab
from tests.support.waiting import wait_until

__all__ = ["lab"]

pytestmark = pytest.mark.django_db(transaction=True)


def happen(attempt: Attempt, *moves: str) -> list[Event]:
    for move in moves:
        move_payment(attempt.payment, move, Actor.SAGA)
    return list(Event.objects.order_by("pk").select_related("payment", "merchant"))


def write_late(event: Event, pk: int) -> Event:
    """Write one more event with a smaller key, as a transaction does that commits after a later one."""
    late = Event.objects.get(pk=event.pk)
    late.pk, late.reference, late.sequence = pk, f"evt_late_{pk}", 100 + pk
    late.save()
    return late


def pass_time() -> None:
    """Make all keys count as missing for long."""
    position = EventPosition.objects.get()
    long_ago = (timezone.now() - FORGOTTEN_AFTER).timestamp()
    position.under_way = {pk: (long_ago, following) for pk, (_, following) in position.under_way.items()}
    position.save()


def published() -> list[str]:
    """Do a round without a broker. Return the ids of the events that were published."""
    reader = EventLog()
    rows = reader.take()
    reader.note([], [])
    return [row.message_id for row in rows]


async def test_a_relay_publishes_each_event_once_in_their_order_and_writes_no_row(
    lab: MemoryLab, attempt: Attempt
) -> None:
    broker = await lab.broker()
    events = await in_thread(happen, attempt, "authorised", "captured")
    queue = Queue("all", {}, (Binding(broker.topology.events, "#"),))
    await broker.declare(queue)
    inbox = Inbox()
    await broker.consume("all", inbox, prefetch=10)
    relay = Relay(broker, EventLog())
    assert await relay.publish_due() == 2
    assert await relay.publish_due() == 0
    for event in events:
        delivery = await inbox.next()
        envelope = delivery.envelope
        assert delivery.routing_key == f"{event.type}.{event.merchant.code}"
        assert envelope is not None
        assert envelope.message_id == event.reference
        assert envelope.timestamp == int(event.created_at.timestamp())
        assert msgspec.json.decode(envelope.body, type=EventObject) == await in_thread(event_object, event)
    assert len(inbox) == 0
    assert not await in_thread(OutboxMessage.objects.exists)
    assert not await in_thread(unpublished_events)


def test_an_event_that_commits_after_a_later_one_is_published_too(attempt: Attempt) -> None:
    [event] = happen(attempt, "authorised")
    assert published() == [event.reference]
    position = EventPosition.objects.get()
    position.last_pk += 3
    skipped = range(event.pk + 1, event.pk + 4)
    position.under_way = dict.fromkeys(map(str, skipped), (timezone.now().timestamp(), 0))
    position.save()
    late = write_late(event, event.pk + 2)
    assert unpublished_events()
    assert published() == [late.reference]
    assert published() == []
    assert set(EventPosition.objects.get().under_way) == {str(event.pk + 1), str(event.pk + 3)}


def test_keys_that_are_skipped_are_waited_for_and_forgotten_in_the_end(attempt: Attempt) -> None:
    [event] = happen(attempt, "authorised")
    write_late(event, event.pk + 4)
    published()
    skipped = {str(event.pk + number) for number in (1, 2, 3)}
    assert skipped <= set(EventPosition.objects.get().under_way)
    pass_time()
    # Transactions of other tests, in their own databases, may be open: they are waited for, too.
    wait_until(lambda: not published() and not EventPosition.objects.get().under_way, "them to be forgotten")


@pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite has one transaction at a time")
def test_an_event_is_waited_for_as_long_as_its_transaction_is_open(attempt: Attempt) -> None:
    [event] = happen(attempt, "authorised")
    is_written, may_commit = threading.Event(), threading.Event()

    def commit_late() -> None:
        with transaction.atomic():
            write_late(event, event.pk + 1)
            is_written.set()
            may_commit.wait(20)
        connection.close()

    with ThreadPoolExecutor(1) as threads:
        late = threads.submit(commit_late)
        assert is_written.wait(20)
        assert len(published()) == 1
        write_late(event, event.pk + 2)
        assert published() == [f"evt_late_{event.pk + 2}"]
        pass_time()
        assert published() == []
        may_commit.set()
        late.result()
    assert published() == [f"evt_late_{event.pk + 1}"]
    assert published() == []


def test_an_event_that_is_no_message_stops_no_other(
    attempt: Attempt, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    first, second = happen(attempt, "authorised", "captured")

    def message_of(event: Event) -> OutboxMessage:
        if event.pk == first.pk:
            raise ValueError("its payment makes no sense")
        return real(event)

    real = log.message_of
    monkeypatch.setattr(log, "message_of", message_of)
    assert published() == [second.reference]
    assert first.reference in caplog.text
    assert published() == []


def test_without_a_position_old_events_are_not_published_again(attempt: Attempt) -> None:
    [event] = happen(attempt, "authorised")
    with erasing_on_purpose():
        Event.objects.update(created_at=timezone.now() - 2 * OLD)
    new = write_late(event, event.pk + 1)
    with erasing_on_purpose():
        Event.objects.filter(pk=new.pk).update(created_at=timezone.now())
    assert published() == [new.reference]


def test_an_event_that_staff_have_had_published_already_blocks_nothing(attempt: Attempt) -> None:
    [event] = happen(attempt, "authorised")
    reader = EventLog()
    [row] = reader.take()
    log.message_of(event).save()
    reader.note([row], [row])
    assert not unpublished_events()


def test_an_event_that_is_erased_meanwhile_gets_into_the_outbox_as_it_is_now(attempt: Attempt) -> None:
    happen(attempt, "authorised")
    reader = EventLog()
    [row] = reader.take()
    with erasing_on_purpose():
        Event.objects.update(changes={"state": "erased"})
    row.attempts, row.last_error = 1, "timeout: none"
    reader.note([row], [row])
    failed = OutboxMessage.objects.get()
    assert msgspec.json.decode(failed.body, type=EventObject).changes == {"state": "erased"}
    assert (failed.attempts, failed.last_error) == (1, "timeout: none")


def test_one_relay_publishes_at_a_time_and_another_goes_on_when_it_has_ended(attempt: Attempt) -> None:
    [event] = happen(attempt, "authorised")
    dead, other = EventLog(), EventLog()
    assert [row.message_id for row in dead.take()] == [event.reference]
    assert other.take() == []
    EventPosition.objects.update(leased_until=timezone.now())
    assert [row.message_id for row in other.take()] == [event.reference]
    # The first relay was slow, not dead, and changes nothing any more.
    dead.note([], [])
    assert unpublished_events()
    other.note([], [])
    assert not unpublished_events()


@pytest.mark.parametrize("is_known", [True, False])
def test_one_of_two_relays_that_look_at_the_same_moment_takes_the_events(
    attempt: Attempt, is_known: bool
) -> None:
    [event] = happen(attempt, "authorised")
    if is_known:
        EventPosition.objects.create(pk=1, last_pk=0)
    others, taken = iter([EventLog()]), list[AbstractOutboxMessage]()

    def take_first(execute: Any, sql: str, *rest: Any) -> Any:
        """Let another relay take the events once this one has read the position."""
        if 'FROM "payments_event"' in sql and "LIMIT 100" in sql and (other := next(others, None)):
            taken.extend(other.take())
        return execute(sql, *rest)

    with connection.execute_wrapper(take_first):
        assert EventLog().take() == []
    assert [row.message_id for row in taken] == [event.reference]


async def test_an_event_that_one_queue_refuses_is_repeated_and_holds_up_no_other(
    lab: MemoryLab, attempt: Attempt
) -> None:
    broker = await lab.broker()
    first, second = await in_thread(happen, attempt, "authorised", "captured")
    full: dict[str, str | int] = {
        "x-queue-type": "quorum",
        "x-max-length": 0,
        "x-overflow": "reject-publish",
    }
    await broker.declare(Queue("full", full, (Binding(broker.topology.events, "payment.authorised.#"),)))
    await Relay(broker, EventLog()).publish_due()
    refused = await in_thread(OutboxMessage.objects.get)
    assert (refused.message_id, refused.attempts, refused.published_at) == (first.reference, 1, None)
    assert refused.last_error.startswith("publish_refused")
    assert not await in_thread(unpublished_events)
    assert (await in_thread(EventPosition.objects.get)).last_pk == second.pk


def test_an_event_that_the_broker_may_have_rejected_is_tried_alone_from_the_outbox(attempt: Attempt) -> None:
    """A rejection ends the channel of all relays of the process: once is enough."""
    happen(attempt, "authorised")
    reader = EventLog()
    taken = reader.take()
    for row in taken:
        row.is_suspect, row.rejections, row.last_error = True, 1, "publish_rejected: perhaps another one"
    reader.note(taken, taken)
    row = OutboxMessage.objects.get()
    assert (row.is_suspect, row.rejections, row.published_at) == (True, 0, None)


def test_a_long_event_is_published_without_what_the_merchant_knows(attempt: Attempt) -> None:
    payment = attempt.payment
    payment.lines = [{"sku": "T" * 50, "quantity": 1}] * 500
    payment.metadata = {f"{number:040}": "v" * 500 for number in range(50)}
    payment.save()
    happen(attempt, "authorised")
    [row] = EventLog().take()
    assert len(row.body) <= MOST_BYTES
