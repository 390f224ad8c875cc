"""The public objects of events: a thin form without data, and a full form with the changed object."""

from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec

from checkout.described import EVENT, PAYMENT, TIME, MerchantCode, OrderReference, OwnData, PaymentId, told
from checkout.payments.models.event import Event
from checkout.payments.models.payment import Merchant, Payment
from checkout.payments.objects.attempt import AttemptObject
from checkout.payments.objects.operation import OperationObject
from checkout.payments.objects.payment import PaymentObject


class ThinEventObject(msgspec.Struct, frozen=True, kw_only=True):
    """A notice of a change."""

    id: Annotated[str, told("The id of the event.", EVENT)]
    object: Annotated[Literal["event"], told("The kind of object.", "event")] = "event"
    type: Annotated[str, told("The type. Later versions may add types.", "payment.captured")]
    created_at: Annotated[datetime, told("The time of the event.", TIME)]
    live: Annotated[bool, told("False for a merchant that is only tried out.", False)]
    sequence: Annotated[
        int, told("The number of the event among those of its payment: 1, 2, 3 and so on, without a gap.", 5)
    ]
    merchant: MerchantCode
    payment: PaymentId
    order_reference: OrderReference
    operation: Annotated[
        str | None, told("The id of the operation, if the event is about one; otherwise null.", None)
    ]


class EventData(msgspec.Struct, frozen=True):
    """The object after the change, and related data."""

    object: Annotated[Any, told("The payment or the operation after the change.")]
    order_reference: OrderReference
    merchant: MerchantCode
    metadata: OwnData
    left_out: Annotated[
        list[str], told("Fields that were emptied, because the event would have been too long.", [])
    ] = []


class PaymentEventData(EventData, frozen=True, kw_only=True):
    """The payment after the change, with the attempt and operations that have no events of their own."""

    object: Annotated[PaymentObject, told("The payment after the change.")]
    latest_attempt: Annotated[
        AttemptObject | None,
        told("The latest attempt, which has no events of its own; null if there is none."),
    ]
    operations: Annotated[
        list[OperationObject],
        told("The captures and voids of the purchase itself, which have no events of their own.", []),
    ]


class OperationEventData(EventData, frozen=True):
    """The operation after the change."""

    object: Annotated[OperationObject, told("The operation after the change.")]


class EventObject(ThinEventObject, frozen=True, kw_only=True):
    """A change."""

    data: Annotated[
        dict[str, Any],
        told(
            "The object after the change in `object`, and what belongs to it.",
            {"object": {"id": PAYMENT, "object": "payment", "state": "captured"}},
        ),
    ]
    changes: Annotated[
        dict[str, Any],
        told("The earlier values of the object's fields that changed.", {"state": "capture_pending"}),
    ]


class ThinWebhookEventObject(ThinEventObject, frozen=True, kw_only=True):
    """A notice in a webhook, in the API version of the endpoint."""

    api_version: Annotated[
        str, told("The API version of the endpoint, in which this is written.", "2026-12-01")
    ]


class WebhookEventObject(EventObject, frozen=True, kw_only=True):
    """A change in a webhook, in the API version of the endpoint.

    Webhooks to an endpoint with the payload ``thin`` have neither ``data`` nor ``changes``. Fields in
    ``data.left_out`` are empty, because the event would have been too long.
    """

    api_version: Annotated[
        str, told("The API version of the endpoint, in which this is written.", "2026-12-01")
    ]


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
