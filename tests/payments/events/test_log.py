"""Events are published from their table: each of them, in order, whenever its transaction commits."""

from datetime import timedelta

import msgspec
import pytest
from django.utils import timezone

from checkout.payments.events import MOST_BYTES, move_payment
from checkout.payments.events.log import LONGEST_TRANSACTION, EventLog, unpublished_events
from checkout.payments.models import Attempt, Event, EventPosition, OutboxMessage
from checkout.payments.objects import EventObject, event_object
from checkout.states import Actor
from messaging.concurrency.database import in_thread
from messaging.outbox.relay import Relay
from messaging.topology import Binding, Queue
from tests.messaging.conftest import lab
from tests.support.brokers import Inbox, MemoryLab

__all__ = ["lab"]

pytestmark = pytest.mark.django_db(transaction=True)


def happen(attempt: Attempt, *moves: str) -> list[Event]:
    for move in moves:
        move_payment(attempt.payment, move, Actor.SAGA)
    return list(Event.objects.order_by("pk").select_related("payment", "merchant"))


def write_late(event: Event, pk: int) -> Event:
    """Write a further event with a lesser key, as a transaction does that commits after a later one."""
    late = Event.objects.get(pk=event.pk)
    late.pk, late.reference, late.sequence = pk, f"evt_late_{pk}", 100 + pk
    late.save()
    return late


def published() -> list[str]:
    """Do a round without a broker. Return the ids of the events that were published."""
    log = EventLog()
    rows = log.take()
    log.note([])
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
    relay = Relay(broker, OutboxMessage, log=EventLog())
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
    assert not await in_thread(lambda: unpublished_events().exists())


def test_an_event_that_commits_after_a_later_one_is_published_too(attempt: Attempt) -> None:
    [event] = happen(attempt, "authorised")
    assert published() == [event.reference]
    position = EventPosition.objects.get()
    position.last_pk += 3
    skipped = range(event.pk + 1, event.pk + 4)
    position.under_way = dict.fromkeys(map(str, skipped), timezone.now().timestamp())
    position.save()
    late = write_late(event, event.pk + 2)
    assert unpublished_events().exists()
    assert published() == [late.reference]
    assert published() == []
    assert set(EventPosition.objects.get().under_way) == {str(event.pk + 1), str(event.pk + 3)}


def test_keys_that_are_skipped_are_waited_for_and_forgotten_in_the_end(attempt: Attempt) -> None:
    [event] = happen(attempt, "authorised")
    assert published() == [event.reference]
    write_late(event, event.pk + 4)
    published()
    missed = EventPosition.objects.get()
    assert {str(event.pk + number) for number in (1, 2, 3)} <= set(missed.under_way)
    long_ago = (timezone.now() - LONGEST_TRANSACTION - timedelta(seconds=1)).timestamp()
    missed.under_way[str(event.pk + 1)] = long_ago
    missed.save()
    write_late(event, event.pk + 5)
    published()
    left = {int(pk) - event.pk for pk in EventPosition.objects.get().under_way}
    assert {number for number in left if number > 0} == {2, 3}


def test_one_relay_publishes_at_a_time_and_another_goes_on_when_it_has_ended(attempt: Attempt) -> None:
    [event] = happen(attempt, "authorised")
    dead, other = EventLog(), EventLog()
    assert [row.message_id for row in dead.take()] == [event.reference]
    assert other.take() == []
    EventPosition.objects.update(leased_until=timezone.now())
    assert [row.message_id for row in other.take()] == [event.reference]
    # The first one was not dead but slow, and changes nothing any more.
    dead.note([])
    assert unpublished_events().exists()
    other.note([])
    assert not unpublished_events().exists()


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
    await Relay(broker, OutboxMessage, log=EventLog()).publish_due()
    refused = await in_thread(OutboxMessage.objects.get)
    assert (refused.message_id, refused.attempts, refused.published_at) == (first.reference, 1, None)
    assert refused.last_error.startswith("publish_refused")
    assert not await in_thread(lambda: unpublished_events().exists())
    assert (await in_thread(EventPosition.objects.get)).last_pk == second.pk


def test_a_long_event_is_published_without_what_the_merchant_knows(attempt: Attempt) -> None:
    payment = attempt.payment
    payment.lines = [{"sku": "T" * 50, "quantity": 1}] * 500
    payment.metadata = {f"{number:040}": "v" * 500 for number in range(50)}
    payment.save()
    happen(attempt, "authorised")
    [row] = EventLog().take()
    assert len(row.body) <= MOST_BYTES
