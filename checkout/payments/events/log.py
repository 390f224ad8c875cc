"""The table of events as a log, from which a relay publishes them in the order of their keys.

An event is its own outbox row: nothing is written twice, and nothing is marked. The one row of the position
says how far the relays have come.
"""

from collections.abc import Mapping, Sequence
from datetime import timedelta

import msgspec
from django.db import transaction
from django.db.models import Q, QuerySet, Value
from django.db.models.functions import Now
from django.utils import timezone

from checkout.conf import conf
from checkout.database.clock import database_now
from checkout.payments.models import Event, EventPosition, OutboxMessage
from checkout.payments.objects.event import event_object
from messaging.access.proofs import prove
from messaging.cloud_events import CloudEvent
from messaging.outbox.models import AbstractOutboxMessage
from messaging.outbox.relay import LEASE_SECONDS
from messaging.topology import Topology

BATCH = 100
# A transaction may commit an event after others have committed later ones. It does not take this long.
LONGEST_TRANSACTION = timedelta(minutes=10)
# The most keys that are missed at once. A server that was restored may go on with a far greater key.
MOST_UNDER_WAY = 20_000


class EventLog:
    """The events of payments for a relay (``messaging.outbox.relay.Log``). Each relay has its own."""

    def __init__(self) -> None:
        self._taken: EventPosition | None = None
        self._next: tuple[int, Mapping[str, float]] = (0, {})

    def take(self) -> Sequence[AbstractOutboxMessage]:
        """Take the next events, unless another relay publishes some. They are published again if it ends."""
        position = _position()
        found = list(_beyond(position).select_related("payment", "merchant")[:BATCH])
        if not found:
            return []
        if position._state.adding:
            EventPosition.objects.bulk_create([position], ignore_conflicts=True)
        now = database_now()
        is_free = Q(leased_until=None) | Q(leased_until__lte=now)
        here = EventPosition.objects.filter(is_free, pk=position.pk, version=position.version)
        lease = now + timedelta(seconds=LEASE_SECONDS)
        if not here.update(leased_until=lease, version=position.version + 1):
            return []
        self._taken = position
        self._next = _after(position, [event.pk for event in found])
        return [message_of(event) for event in found]

    def note(self, failed: Sequence[AbstractOutboxMessage]) -> None:
        """Go on behind the taken events, and write those that failed to the outbox.

        Do nothing if the lease has ended meanwhile, and another relay has taken the events again.
        """
        taken, self._taken = self._taken, None
        if taken is None:
            return
        last_pk, under_way = self._next
        with transaction.atomic():
            here = EventPosition.objects.filter(pk=taken.pk, version=taken.version + 1)
            if here.update(last_pk=last_pk, under_way=under_way, leased_until=None):
                OutboxMessage.objects.bulk_create([row for row in failed if isinstance(row, OutboxMessage)])


def unpublished_events() -> QuerySet[Event]:
    """Return the events that wait for a relay, in the order of their keys."""
    return _beyond(_position())


def _beyond(position: EventPosition) -> QuerySet[Event]:
    missed = [int(pk) for pk in position.under_way]
    return Event.objects.filter(Q(pk__gt=position.last_pk) | Q(pk__in=missed)).order_by("pk")


def _position() -> EventPosition:
    """Return the position; one at the beginning, not saved, if there is none so far."""
    now = database_now()
    clock = now if isinstance(now, Now) else Value(now)
    return EventPosition.objects.annotate(now=clock).filter(pk=1).first() or EventPosition(pk=1)


def _after(position: EventPosition, found: Sequence[int]) -> tuple[int, Mapping[str, float]]:
    """Return the place behind the found events, and the keys that are missed there."""
    last = max(position.last_pk, found[-1])
    # The time by the database's clock, unless this is the first round of all.
    now = getattr(position, "now", timezone.now()).timestamp()
    oldest = now - LONGEST_TRANSACTION.total_seconds()
    missed = {pk: since for pk, since in position.under_way.items() if since > oldest}
    first = max(position.last_pk + 1, last - MOST_UNDER_WAY)
    missed |= dict.fromkeys(map(str, range(first, last)), now)
    for pk in found:
        missed.pop(str(pk), None)
    return last, missed


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
    # A listener that knows the secret key believes the relay only what has a proof, or is in the outbox.
    envelope = prove(told.envelope())
    row = OutboxMessage.of(topology.events, told.routing_key(topology), envelope, delay_seconds=0)
    # The time of the message is that of the event.
    row.created_at = event.created_at
    return row
