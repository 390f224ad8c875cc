"""Write events, and the messages that publish them, into the transaction of the change.

The payment must be locked: its events are numbered without a gap, and the lock makes the numbers unique.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec
from django.utils import timezone

from checkout.conf import conf
from checkout.payments.models import Event, OutboxMessage, Payment
from checkout.payments.models.payment import new_reference
from checkout.payments.objects.attempt import AttemptObject
from checkout.payments.objects.event import event_object
from checkout.payments.objects.operation import OperationObject
from checkout.payments.objects.payment import PaymentObject
from messaging.cloud_events import CloudEvent
from messaging.compiled_queries import Compiled, insert_in_batch
from messaging.outbox.models import enqueue_events

# The longest event. A longer one loses the parts that its merchant knows already, and says so. A webhook,
# which has the version of the API besides, is thereby at most 20 kB long.
MOST_BYTES = 19_900
_KNOWN_TO_MERCHANT = ("lines", "metadata")


@dataclass(frozen=True, slots=True, kw_only=True)
class News:
    """One change: the object after it, and the earlier values of the fields that changed."""

    type: str
    object: PaymentObject | AttemptObject | OperationObject
    changes: Mapping[str, Any] = field(default_factory=dict)
    operation: str = ""


def record_event(payment: Payment, *news: News, last: int | None = None) -> list[Event]:
    """Write events of the locked payment, in this order.

    ``last`` is the number of its last event, 0 if there is none, for a caller that has read it already.
    """
    if last is None:
        latest = _LATEST.first(payment.pk)
        last = latest.sequence if latest else 0
    now = timezone.now()
    events = [
        Event(
            reference=new_reference("evt"),
            merchant_id=payment.merchant_id,
            payment=payment,
            operation=each.operation,
            type=each.type,
            sequence=sequence,
            data=_data(payment, each),
            changes=dict(each.changes),
            created_at=now,
        )
        for sequence, each in enumerate(news, last + 1)
    ]
    bodies = [_fitted(event, payment) for event in events]
    insert_in_batch(*events)
    enqueue_events(
        OutboxMessage,
        [
            CloudEvent(
                type=event.type,
                source=f"/{conf.prefix}",
                data=body,
                subject=payment.reference,
                id=event.reference,
                time=now,
                sequence=event.sequence,
                audience=payment.merchant.code,
            )
            for event, body in zip(events, bodies, strict=True)
        ],
    )
    return events


_LATEST = Compiled(
    lambda payment: Event.objects.filter(payment_id=payment).only("sequence").order_by("-sequence")[:1]
)


def _data(payment: Payment, news: News) -> dict[str, Any]:
    metadata = payment.metadata if not isinstance(news.object, OperationObject) else news.object.metadata
    return {
        "object": msgspec.to_builtins(news.object),
        "order_reference": payment.order_reference,
        "merchant": payment.merchant.code,
        "metadata": metadata,
    }


def _fitted(event: Event, payment: Payment) -> bytes:
    """Return the event's message, after leaving out of its data what would make it too long."""
    body = msgspec.json.encode(event_object(event, payment, payment.merchant))
    if len(body) <= MOST_BYTES:
        return body
    left_out = []
    for name in _KNOWN_TO_MERCHANT:
        empty: Any = [] if name == "lines" else {}
        for part in (event.data["object"], event.data, event.changes):
            if part.get(name):
                part[name] = empty
                left_out.append(name)
        event.data["left_out"] = sorted(set(left_out))
        body = msgspec.json.encode(event_object(event, payment, payment.merchant))
        if len(body) <= MOST_BYTES:
            break
    return body
