"""The public objects of events: a thin form without data, and a full form with the changed object."""

from datetime import datetime
from typing import Any, Literal

import msgspec

from checkout.payments.models.event import Event
from checkout.payments.models.payment import Merchant, Payment
from checkout.payments.objects.attempt import AttemptObject
from checkout.payments.objects.operation import OperationObject
from checkout.payments.objects.payment import PaymentObject


class ThinEventObject(msgspec.Struct, frozen=True, kw_only=True):
    """A notice of a change. ``sequence`` numbers the events of one payment from 1 without a gap."""

    id: str
    object: Literal["event"] = "event"
    type: str
    created_at: datetime
    live: bool
    sequence: int
    merchant: str
    payment: str
    order_reference: str
    operation: str | None


class EventData(msgspec.Struct, frozen=True):
    """The object after the change, and related data."""

    object: Any
    order_reference: str
    merchant: str
    metadata: dict[str, str]
    left_out: list[str] = []


class PaymentEventData(EventData, frozen=True, kw_only=True):
    """The payment after the change, its latest attempt, and the captures and voids of the purchase itself.

    Neither the attempt nor these operations have events of their own.
    """

    object: PaymentObject
    latest_attempt: AttemptObject | None
    operations: list[OperationObject]


class OperationEventData(EventData, frozen=True):
    """The operation after the change."""

    object: OperationObject


class EventObject(ThinEventObject, frozen=True, kw_only=True):
    """A change. ``data.object`` is the changed object, ``changes`` has the earlier values of its fields."""

    data: dict[str, Any]
    changes: dict[str, Any]


class ThinWebhookEventObject(ThinEventObject, frozen=True, kw_only=True):
    """A notice in a webhook, in the API version of the endpoint."""

    api_version: str


class WebhookEventObject(EventObject, frozen=True, kw_only=True):
    """A change in a webhook, in the API version of the endpoint.

    Webhooks to an endpoint with the payload ``thin`` have neither ``data`` nor ``changes``. Fields in
    ``data.left_out`` are empty, because the event would have been too long.
    """

    api_version: str


def event_object(
    event: Event, payment: Payment | None = None, merchant: Merchant | None = None
) -> EventObject:
    """Return the full object. The event's payment and merchant can be passed if they have been read."""
    return EventObject(**_common(event, payment, merchant), data=event.data, changes=event.changes)


def webhook_object(
    event: Event, api_version: str, *, is_thin: bool
) -> WebhookEventObject | ThinWebhookEventObject:
    """Return the body of a webhook. The receiver of a thin webhook reads the object with the API."""
    common = {**_common(event), "api_version": api_version}
    if is_thin:
        return ThinWebhookEventObject(**common)
    return WebhookEventObject(**common, data=event.data, changes=event.changes)


def _common(event: Event, payment: Payment | None = None, merchant: Merchant | None = None) -> dict[str, Any]:
    of_payment = payment or event.payment
    owner = merchant or event.merchant
    return {
        "id": event.reference,
        "type": event.type,
        "created_at": event.created_at,
        "live": owner.is_live,
        "sequence": event.sequence,
        "merchant": owner.code,
        "payment": of_payment.reference,
        "order_reference": of_payment.order_reference,
        "operation": event.operation or None,
    }
