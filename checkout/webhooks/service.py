"""The webhooks service: it listens to the events of payments, and writes what is owed to merchants."""

import msgspec

from checkout.payments.event_feed import EVENT_TYPES
from checkout.service import Service
from checkout.webhooks.deliveries import has_endpoint, owe
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


# Deliveries are written once, so the event needs no row in the inbox. Most events are of merchants that have
# no endpoint, and cost one query.
@service.on_event(transactional=False)
def note_event(event: EventNotice, message: Message) -> None:
    """Write the deliveries of an event."""
    if message.envelope.message_id.startswith(OURS) and has_endpoint(event.merchant):
        owe([message.envelope.message_id])
