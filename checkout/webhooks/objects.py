"""The public objects of endpoints, deliveries and attempts, for answers of the API."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec
from django.db.models import Q
from django.utils import timezone

from checkout.described import DELIVERY, ENDPOINT, EVENT, PAYMENT, TIME, MerchantCode, told
from checkout.webhooks.models import Delivery, DeliveryAttempt, SigningSecret, WebhookEndpoint

# A delivery may get a dozen attempts each time that it is sent again.
MOST_ATTEMPTS = 100


class Disabled(msgspec.Struct, frozen=True, kw_only=True):
    """The reason for which an endpoint is disabled, in words for people."""

    reason: Annotated[str, told("The reason, in words for people.", "disabled through the API")]
    since: Annotated[datetime, told("The time since which the endpoint is disabled.", TIME)]


class Failing(msgspec.Struct, frozen=True, kw_only=True):
    """The failed attempts at an endpoint since the last success.

    Attempts that ended during a pause do not count.
    """

    failures: Annotated[int, told("The number of failed attempts.", 3)]
    since: Annotated[datetime | None, told("The time of the first of them.", TIME)]
    paused_until: Annotated[
        datetime | None, told("The time until which nothing is sent; null if there is no pause.", None)
    ]


class WebhookEndpointObject(msgspec.Struct, frozen=True, kw_only=True):
    """An address to which events are sent."""

    id: Annotated[str, told("The id of the endpoint.", ENDPOINT)]
    object: Annotated[Literal["webhook_endpoint"], told("The kind of object.", "webhook_endpoint")] = (
        "webhook_endpoint"
    )
    merchant: MerchantCode
    url: Annotated[str, told("The address to which events are sent.", "https://shop.example/webhooks")]
    description: Annotated[str, told("The merchant's note about the endpoint.", "orders")]
    contact_email: Annotated[
        str,
        told(
            "The address for notices that the endpoint has failed for 24 hours, or was "
            "disabled; blank if there is none.",
            "ops@shop.example",
        ),
    ]
    event_types: Annotated[
        list[str],
        told("The types of events that are sent. An empty list stands for all types.", ["payment.captured"]),
    ]
    payload: Annotated[
        Literal["full", "thin"],
        told("`full` events have the changed object, `thin` events only name it.", "full"),
    ]
    state: Annotated[
        Literal["enabled", "disabled"], told("Nothing is sent to a disabled endpoint.", "enabled")
    ]
    disabled: Annotated[
        Disabled | None, told("The reason for which the endpoint is disabled; null if it is enabled.")
    ]
    failing: Annotated[Failing | None, told("The failures since the last success; null if there are none.")]
    public_keys: Annotated[
        list[str],
        told(
            "The keys that verify `v1a` signatures, newest first. While a secret is being "
            "replaced, there are two.",
            ["whpk_Mcb7bL4mlJ1tFC3hCzWcBIzGy2YyfnY0zv5SgHBQ2lU="],
        ),
    ]
    api_version: Annotated[str, told("The API version in which events are written.", "2026-12-01")]
    created_at: Annotated[datetime, told("The time at which the endpoint was made.", TIME)]


class NewWebhookSecretObject(WebhookEndpointObject, frozen=True, kw_only=True):
    """An endpoint with its new secret."""

    secret: Annotated[
        str | None,
        told(
            "The secret that verifies `v1` signatures. It is shown once: in late repetitions "
            "of the answer it is null.",
            "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        ),
    ]


class DeletedWebhookEndpointObject(msgspec.Struct, frozen=True, kw_only=True):
    """An endpoint that was deleted."""

    id: Annotated[str, told("The id of the deleted endpoint.", ENDPOINT)]
    object: Annotated[Literal["webhook_endpoint"], told("The kind of object.", "webhook_endpoint")] = (
        "webhook_endpoint"
    )
    deleted: Annotated[Literal[True], told("Always true.", True)] = True


class DeliveryObject(msgspec.Struct, frozen=True, kw_only=True):
    """The delivery of an event to an endpoint."""

    id: Annotated[str, told("The id of the delivery.", DELIVERY)]
    object: Annotated[Literal["delivery"], told("The kind of object.", "delivery")] = "delivery"
    endpoint: Annotated[str, told("The id of the endpoint.", ENDPOINT)]
    event: Annotated[str, told("The id of the event, which is the `webhook-id` of each attempt.", EVENT)]
    event_type: Annotated[str, told("The type of the event.", "payment.captured")]
    payment: Annotated[str | None, told("The id of the payment; null for a test event.", PAYMENT)]
    state: Annotated[
        Literal["pending", "delivered", "failed"],
        told(
            "`failed` means that there are no more attempts, unless the delivery is sent again.", "delivered"
        ),
    ]
    tries: Annotated[int, told("The number of attempts.", 1)]
    last_result: Annotated[
        str | None,
        told("The HTTP status or the name of an error of the latest attempt; null before the first.", "204"),
    ]
    next_try_at: Annotated[
        datetime | None, told("The time of the next attempt; null if there is none.", None)
    ]
    created_at: Annotated[datetime, told("The time at which the delivery was made.", TIME)]
    ended_at: Annotated[
        datetime | None, told("The time at which it was delivered or given up; null until then.", TIME)
    ]


class AttemptAtDelivery(msgspec.Struct, frozen=True, kw_only=True):
    """One attempt to deliver an event."""

    at: Annotated[datetime, told("The time of the attempt.", TIME)]
    url: Annotated[str, told("The address of that time.", "https://shop.example/webhooks")]
    status: Annotated[int | None, told("The HTTP status of the response; null if there was none.", 204)]
    error: Annotated[str | None, told("The name of the error; null if there was a response.", None)]
    detail: Annotated[str, told("The error in words; blank without one.", "")]
    duration_ms: Annotated[int, told("The duration in milliseconds.", 84)]
    response: Annotated[str, told("The beginning of the response, without secrets.", "ok")]


class DeliveryLogObject(DeliveryObject, frozen=True, kw_only=True):
    """A delivery with its attempts."""

    attempts: Annotated[list[AttemptAtDelivery], told("The latest attempts, newest first.", [])]


def endpoint_objects(endpoints: Collection[WebhookEndpoint]) -> list[WebhookEndpointObject]:
    """Return the public objects of endpoints."""
    public_keys = _public_keys(endpoints)
    return [WebhookEndpointObject(**_fields(each, public_keys[each.pk])) for each in endpoints]


def endpoint_object(endpoint: WebhookEndpoint) -> WebhookEndpointObject:
    """Return the public object of an endpoint."""
    return endpoint_objects([endpoint])[0]


def endpoint_with_secret(endpoint: WebhookEndpoint, secret: str | None) -> NewWebhookSecretObject:
    """Return the public object of an endpoint, with its new secret."""
    fields = _fields(endpoint, _public_keys([endpoint])[endpoint.pk])
    return NewWebhookSecretObject(**fields, secret=secret)


def delivery_objects(deliveries: Collection[Delivery]) -> list[DeliveryObject]:
    """Return the public objects of deliveries. Their endpoints must have been read."""
    return [DeliveryObject(**_fields_of_delivery(each)) for each in deliveries]


def delivery_log(delivery: Delivery) -> DeliveryLogObject:
    """Return the public object of a delivery, with its attempts."""
    attempts = [_attempt(each) for each in delivery.attempts.all()[:MOST_ATTEMPTS]]
    return DeliveryLogObject(**_fields_of_delivery(delivery), attempts=attempts)


def _fields(endpoint: WebhookEndpoint, public_keys: Sequence[str]) -> dict[str, Any]:
    failing = disabled = None
    if endpoint.failures:
        failing = Failing(
            failures=endpoint.failures, since=endpoint.failing_since, paused_until=endpoint.paused_until
        )
    if not endpoint.is_enabled:
        disabled = Disabled(reason=endpoint.state_reason, since=endpoint.state_since)
    names = (
        "merchant",
        "url",
        "description",
        "contact_email",
        "payload",
        "state",
        "created_at",
    )
    return {
        "id": endpoint.reference,
        "api_version": endpoint.api_version,
        "event_types": list(endpoint.event_types),
        "disabled": disabled,
        "failing": failing,
        "public_keys": list(public_keys),
        **{name: getattr(endpoint, name) for name in names},
    }


def _public_keys(endpoints: Collection[WebhookEndpoint]) -> Mapping[int, Sequence[str]]:
    found: dict[int, list[str]] = {endpoint.pk: [] for endpoint in endpoints}
    is_valid = Q(expires_at=None) | Q(expires_at__gt=timezone.now())
    for secret in SigningSecret.objects.filter(is_valid, endpoint__in=found):
        found[secret.endpoint_id].append(secret.public_key)
    return found


def _fields_of_delivery(delivery: Delivery) -> dict[str, Any]:
    names = ("event", "event_type", "state", "tries", "next_try_at", "created_at", "ended_at")
    return {
        "id": delivery.reference,
        "endpoint": delivery.endpoint.reference,
        "payment": delivery.payment or None,
        "last_result": delivery.last_result or None,
        **{name: getattr(delivery, name) for name in names},
    }


def _attempt(attempt: DeliveryAttempt) -> AttemptAtDelivery:
    names = ("at", "url", "status", "detail", "duration_ms", "response")
    return AttemptAtDelivery(error=attempt.error or None, **{name: getattr(attempt, name) for name in names})
