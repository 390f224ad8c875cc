"""The webhooks service: it listens to the events of payments, and writes what is owed to merchants."""

import msgspec

from checkout.payments.event_feed import EVENT_TYPES
from checkout.service import Service
from checkout.webhooks.deliveries import (
    backfill_deliveries,
    create_deliveries,
    has_endpoint,
    merchants_by_endpoint,
)
from messaging.worker.service import Message

# The sweep finds the events whose message was dropped.
# The first words of the types of events.
FAMILIES = dict.fromkeys(type.partition(".")[0] for type in EVENT_TYPES)
service = Service("webhooks", events=tuple(f"{family}.#" for family in FAMILIES), hints_only=True)

# The beginning of the ids of events that merchants are told of. Other programs announce other events.
OURS = "evt_"


class EventNotice(msgspec.Struct, frozen=True):
    """An event on the broker, as far as it is believed: see ``deliveries``."""

    merchant: str = ""


class EndpointCache:
    """The merchants that have endpoints, as they were read a moment ago.

    Most events are of merchants without any, and cost no query. A merchant may have got its first endpoint
    since: therefore the endpoints are read again soon after an event was ignored, and what the new ones have
    missed is owed then.
    """

    def __init__(self) -> None:
        self._merchants: frozenset[str] = frozenset()
        self._last_endpoint = 0
        self._has_read = self._is_current = False

    def ignores(self, event: EventNotice) -> bool:
        """Return True if the event need not be handled, because its merchant had no endpoint a moment ago."""
        if not self._has_read or event.merchant in self._merchants:
            return False
        self._is_current = False
        return True

    def refresh(self) -> int:
        """Read the new endpoints if events were ignored, and write what those of new merchants have missed.

        Return how many deliveries that were. This is called every second.
        """
        if self._is_current:
            return 0
        # Before the query, so that an event that is ignored during the query leads to another.
        self._is_current = True
        try:
            return self._read()
        except BaseException:
            self._is_current = False
            raise

    def _read(self) -> int:
        found = merchants_by_endpoint(self._last_endpoint)
        new = frozenset(found.values()) - self._merchants
        earlier = self._merchants
        # Before their events are read: what is ignored until here is committed, and so is read.
        self._merchants |= new
        try:
            owed = backfill_deliveries(new) if self._has_read and new else 0
        except BaseException:
            self._merchants = earlier
            raise
        self._last_endpoint = max([self._last_endpoint, *found])
        self._has_read = True
        return owed


# Deliveries are written once, so the event needs no row in the inbox.
@service.on_event(transactional=False)
def note_event(event: EventNotice, message: Message) -> None:
    """Write the deliveries of an event."""
    if message.envelope.message_id.startswith(OURS) and has_endpoint(event.merchant):
        create_deliveries([message.envelope.message_id])
