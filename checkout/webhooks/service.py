"""The webhooks service, which listens to the events of payments and creates deliveries."""

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

# The first words of the types of payments' events. The sweep finds events whose message was dropped.
FAMILIES = dict.fromkeys(type.partition(".")[0] for type in EVENT_TYPES)
service = Service("webhooks", events=tuple(f"{family}.#" for family in FAMILIES), hints_only=True)

# The prefix of the ids of events for merchants. Messages with other ids are not for webhooks.
OURS = "evt_"


class EventNotice(msgspec.Struct, frozen=True):
    """The only part of an event's message that is used. The event itself is read from the database."""

    merchant: str = ""


class EndpointCache:
    """The merchants that had endpoints at the last read.

    Most events belong to merchants without endpoints. Thanks to this cache, these events cost no query. A
    merchant may have added its first endpoint since the last read. Therefore endpoints are read again soon
    after an event was ignored, and deliveries of the events that new endpoints have missed are created then.
    """

    def __init__(self) -> None:
        self._merchants: frozenset[str] = frozenset()
        self._last_endpoint = 0
        self._has_read = self._is_current = False

    def ignores(self, event: EventNotice) -> bool:
        """Return True if the event can be ignored: at the last read, the event's merchant had no endpoint."""
        if not self._has_read or event.merchant in self._merchants:
            return False
        self._is_current = False
        return True

    def refresh(self) -> int:
        """Read the new endpoints if events were ignored, and create the deliveries that they have missed.

        Return the number of deliveries. This is called every second.
        """
        if self._is_current:
            return 0
        # Set before the query: an event that is ignored during the query then leads to another query.
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
        # Updated before the events are read: all events that were ignored until now are committed, and so
        # will be read.
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
    """Create the deliveries of an event."""
    if message.envelope.message_id.startswith(OURS) and has_endpoint(event.merchant):
        create_deliveries([message.envelope.message_id])
