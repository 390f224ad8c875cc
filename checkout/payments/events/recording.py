"""Write events in the transaction of the change. A relay publishes them from their table (``log``).

The payment must be locked: its events are numbered without a gap, and the lock makes the numbers unique.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec
from django.utils import timezone

from checkout.payments.events.numbering import number
from checkout.payments.models import Event, OutboxMessage, Payment
from checkout.payments.objects.event import event_object
from checkout.payments.objects.operation import OperationObject
from checkout.payments.objects.payment import PaymentObject, without_events
from checkout.references import new_reference
from messaging.compiled_queries import insert_in_batch
from messaging.outbox.notify import ring_now_and_then

# The longest event, in bytes. If an event is longer, data that its merchant already has is left out, and the
# event says so. A webhook, which also has the API version, is therefore at most 20 kB long.
MOST_BYTES = 19_900
_KNOWN_TO_MERCHANT = ("lines", "metadata")
# An event has no number yet when its length is checked.
_LARGEST = 2**31 - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class EventDraft:
    """One change: the object after it, and the earlier values of the fields that changed."""

    type: str
    object: PaymentObject | OperationObject
    changes: Mapping[str, Any] = field(default_factory=dict)
    operation: str = ""


def record_event(payment: Payment, *news: EventDraft) -> None:
    """Write events of the locked payment, in this order, numbered after the existing events."""
    now = timezone.now()
    events = [
        Event(
            reference=new_reference("evt"),
            merchant_id=payment.merchant_id,
            payment=payment,
            operation=each.operation,
            type=each.type,
            sequence=_LARGEST,
            data=_data(payment, each),
            changes=dict(each.changes),
            created_at=now,
        )
        for each in news
    ]
    for event in events:
        _fit(event, payment)
    number(payment, events)
    insert_in_batch(*events)
    ring_now_and_then(OutboxMessage)


def _data(payment: Payment, news: EventDraft) -> dict[str, Any]:
    metadata, beside = payment.metadata, {}
    if isinstance(news.object, OperationObject):
        metadata = news.object.metadata
    else:
        beside = without_events(payment)
    return {
        **msgspec.to_builtins({"object": news.object, **beside}),
        "order_reference": payment.order_reference,
        "merchant": payment.merchant.code,
        "metadata": metadata,
    }


def _fit(event: Event, payment: Payment) -> None:
    """Remove parts of the event's data if its message would be too long."""
    left_out = []
    for name in _KNOWN_TO_MERCHANT:
        if len(msgspec.json.encode(event_object(event, payment, payment.merchant))) <= MOST_BYTES:
            return
        empty: Any = [] if name == "lines" else {}
        own = event.data.get("operations", ())
        for part in (event.data["object"], event.data, event.changes, *own):
            if part.get(name):
                part[name] = empty
                left_out.append(name)
        event.data["left_out"] = sorted(set(left_out))
