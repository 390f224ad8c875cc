"""The table of events as a log, from which a relay publishes events in the order of their keys.

An event is its own outbox row, so nothing is written twice, and no row is marked. A single row stores the
position up to which relays have published.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from math import inf

import msgspec
import structlog
from django.db import DEFAULT_DB_ALIAS, connection, transaction
from django.db.models import Value
from django.db.models.functions import Now
from django.utils import timezone

from checkout.conf import conf
from checkout.payments.models import Event, EventPosition, OutboxMessage
from checkout.payments.objects.event import event_object
from messaging.access.proofs import prove
from messaging.cloud_events import CloudEvent
from messaging.outbox.clock import server_time
from messaging.outbox.models import AbstractOutboxMessage
from messaging.outbox.notify import Bell, listen
from messaging.outbox.relay import BATCH, LEASE_SECONDS
from messaging.topology import Topology

log = structlog.get_logger(__name__)

# A transaction may commit an event after others have committed later ones. After this time the relay checks
# if the transaction can still do so.
FORGOTTEN_AFTER = timedelta(minutes=1)
# The most missing keys that are watched at once. A restored server may continue with a much greater key.
MOST_MISSED = 1_000
# If the row with the position is lost, events that are older than this count as published.
OLD = timedelta(days=1)
# The time at which a key was found missing, and the next transaction at that time.
Missed = tuple[float, int]


class EventLog:
    """The events of payments as a source for a relay (``messaging.outbox.relay.Source``)."""

    database = DEFAULT_DB_ALIAS
    # An event that takes longer is moved to the outbox, so that the others can continue.
    publish_timeout_seconds = 2.0

    def __init__(self) -> None:
        self._taken: EventPosition | None = None
        self._next: tuple[int, Mapping[str, Missed]] = (0, {})

    def take(self) -> Sequence[AbstractOutboxMessage]:
        """Lease the next events, unless another relay has a lease. Another relay gets them if this one dies.

        An event that cannot be turned into a message is logged and skipped, because it must not stop all
        others. When the cause is repaired, staff can publish it (``actions.staff.outbox``).
        """
        position, now = _position()
        if position.leased_until is not None and position.leased_until > now:
            return []
        # This comes before reading the events: the events of transactions that have ended are then visible.
        oldest = _transactions()[0] if position.under_way else 0
        found = _beyond(position)
        if not found and not _over(position, now, oldest):
            return []
        if position._state.adding:
            EventPosition.objects.bulk_create([position], ignore_conflicts=True)
        # If another relay has leased the events in the meantime, it has increased the version.
        here = EventPosition.objects.filter(pk=position.pk, version=position.version)
        lease = server_time() + timedelta(seconds=LEASE_SECONDS)
        if not here.update(leased_until=lease, version=position.version + 1):
            return []
        self._taken = position
        self._next = _after(position, now, oldest, [event.pk for event in found])
        messages = [message for event in found if (message := message_if_possible(event))]
        if not messages:
            self.note([], [])
        return messages

    async def listen(self, bell: Bell) -> None:
        """See ``Source``. Not every event wakes the relay, which then polls often for some time."""
        await listen(OutboxMessage, bell)

    def due_in(self) -> float:
        """See ``Source``. The relay must look for missing events, and for those that another has leased."""
        position, _ = _position()
        return 0.0 if position.under_way or position.leased_until else inf

    def note(self, taken: Sequence[AbstractOutboxMessage], failed: Sequence[AbstractOutboxMessage]) -> None:
        """Move the position after the taken events, and write the failed events to the outbox.

        Do nothing if the lease has ended, and another relay has leased the events since. An event for the
        outbox is read again, because its payment may have been erased.
        """
        before, self._taken = self._taken, None
        if before is None:
            return
        last_pk, under_way = self._next
        failures = {row.message_id: row for row in failed}
        here = EventPosition.objects.filter(pk=before.pk, version=before.version + 1)
        change = partial(here.update, last_pk=last_pk, under_way=under_way, leased_until=None)
        if not failures:
            change()
            return
        with transaction.atomic():
            if not change():
                return
            events = Event.objects.filter(reference__in=failures).select_related("payment", "merchant")
            rows = [message_of(event) for event in events.select_for_update(of=("self",))]
            for row in rows:
                failure = failures[row.message_id]
                row.attempts, row.last_error = failure.attempts, failure.last_error
                row.available_at, row.is_suspect = failure.available_at, failure.is_suspect
            # Staff may have published one of the events already.
            OutboxMessage.objects.bulk_create(rows, ignore_conflicts=True)


def unpublished_events() -> Sequence[Event]:
    """Return the first events that wait for a relay, in the order of their keys."""
    return _beyond(_position()[0])


def is_published(event: Event) -> bool:
    """Return True if a relay has published the event, and has recorded this."""
    position = _position()[0]
    return event.pk <= position.last_pk and str(event.pk) not in position.under_way


def last_published() -> int:
    """Return the key up to which events have been published, except for events that were committed late."""
    return _position()[0].last_pk


def _beyond(position: EventPosition) -> list[Event]:
    # There are two queries, because with one PostgreSQL may read all events to find both kinds in their
    # order.
    events = Event.objects.select_related("payment", "merchant").order_by("pk")
    late = list(events.filter(pk__in=map(int, position.under_way))) if position.under_way else []
    return [*late, *events.filter(pk__gt=position.last_pk)[:BATCH]]


def _position() -> tuple[EventPosition, datetime]:
    """Return the position and the time. If there is no row, return a new position after all old events."""
    clock = server_time()
    read = EventPosition.objects.annotate(at=clock if isinstance(clock, Now) else Value(clock)).filter(pk=1)
    if (position := read.first()) is not None:
        return position, position.at
    now = timezone.now()
    old = Event.objects.filter(created_at__lt=now - OLD).order_by("-pk").values_list("pk", flat=True)
    return EventPosition(pk=1, last_pk=old.first() or 0), now


def _transactions() -> tuple[int, int]:
    """Return the ids of the oldest open transaction and of the next one. SQLite has one at a time."""
    if connection.vendor != "postgresql":
        return 1, 0
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_snapshot_xmin(now)::text::bigint, pg_snapshot_xmax(now)::text::bigint"
            " FROM pg_current_snapshot() AS now"
        )
        oldest, next_ = cursor.fetchone()
        return oldest, next_


def _over(position: EventPosition, now: datetime, oldest: int) -> set[str]:
    """Return the missing keys that will never be used: all transactions that could use them have ended."""
    long_ago = now.timestamp() - FORGOTTEN_AFTER.total_seconds()
    missed = position.under_way.items()
    return {pk for pk, (since, following) in missed if since <= long_ago and following <= oldest}


def _after(
    position: EventPosition, now: datetime, oldest: int, found: Sequence[int]
) -> tuple[int, dict[str, Missed]]:
    """Return the position after the events found, and the keys skipped so far."""
    last = max([position.last_pk, *found])
    over = _over(position, now, oldest)
    missed: dict[str, Missed] = {pk: at for pk, at in position.under_way.items() if pk not in over}
    new = {*range(max(position.last_pk + 1, last - MOST_MISSED), last)}.difference(found)
    if new:
        at = (now.timestamp(), _transactions()[1])
        missed |= {str(pk): at for pk in new}
    for pk in found:
        missed.pop(str(pk), None)
    return last, dict(sorted(missed.items(), key=lambda each: int(each[0]))[-MOST_MISSED:])


def message_if_possible(event: Event) -> OutboxMessage | None:
    """Return the event's message. If the event cannot be turned into one, log the reason and return None."""
    try:
        return message_of(event)
    except Exception:
        log.exception("event cannot be published", event_id=event.reference)
        return None


def message_of(event: Event) -> OutboxMessage:
    """Return the event's message as an unsaved row, due now."""
    topology = Topology(conf.prefix)
    told = CloudEvent(
        type=event.type,
        source=f"/{conf.prefix}",
        data=msgspec.json.encode(event_object(event)),
        subject=event.payment.reference,
        id=event.reference,
        time=event.created_at,
        sequence=event.sequence,
        audience=event.merchant.code,
    )
    # A listener with the secret key accepts only messages of the relay with a proof, or from the outbox.
    envelope = prove(told.envelope())
    row = OutboxMessage.of(topology.events, told.routing_key(topology), envelope, delay_seconds=0)
    # The time of the message is that of the event.
    row.created_at = event.created_at
    return row
