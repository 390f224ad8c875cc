"""The public objects of endpoints, deliveries and attempts, for answers of the API."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, Literal

import msgspec
from django.db.models import Q
from django.utils import timezone

from checkout.webhooks.models import Delivery, DeliveryAttempt, SigningSecret, WebhookEndpoint

# A delivery that is sent again may get a dozen attempts each time.
MOST_ATTEMPTS = 100


class Disabled(msgspec.Struct, frozen=True, kw_only=True):
    """The reason for which an endpoint is disabled, in words for people."""

    reason: str
    since: datetime


class Failing(msgspec.Struct, frozen=True, kw_only=True):
    """The failed attempts at an endpoint since the last success. Attempts that ended in a pause do not count.

    Nothing is sent until ``paused_until``.
    """

    failures: int
    since: datetime | None
    paused_until: datetime | None


class WebhookEndpointObject(msgspec.Struct, frozen=True, kw_only=True):
    """An address to which events are sent.

    An empty list of ``event_types`` stands for all types. ``contact_email`` gets an e-mail when the endpoint
    has failed for 24 hours, and when it is disabled; "" if there is none. ``public_keys`` verify ``v1a``
    signatures, newest first. While a secret is being replaced, there are two.
    """

    id: str
    object: Literal["webhook_endpoint"] = "webhook_endpoint"
    merchant: str
    url: str
    description: str
    contact_email: str
    event_types: list[str]
    payload: Literal["full", "thin"]
    state: Literal["enabled", "disabled"]
    disabled: Disabled | None
    failing: Failing | None
    public_keys: list[str]
    api_version: str
    created_at: datetime


class NewWebhookSecretObject(WebhookEndpointObject, frozen=True, kw_only=True):
    """An endpoint with its new secret, which is shown once. In late repetitions of the answer it is null."""

    secret: str | None


class DeletedWebhookEndpointObject(msgspec.Struct, frozen=True, kw_only=True):
    """An endpoint that was deleted."""

    id: str
    object: Literal["webhook_endpoint"] = "webhook_endpoint"
    deleted: Literal[True] = True


class DeliveryObject(msgspec.Struct, frozen=True, kw_only=True):
    """The delivery of an event to an endpoint. ``last_result`` is a status or the name of an error.

    ``failed`` means that there are no more attempts, unless the delivery is sent again.
    """

    id: str
    object: Literal["delivery"] = "delivery"
    endpoint: str
    event: str
    event_type: str
    payment: str | None
    state: Literal["pending", "delivered", "failed"]
    tries: int
    last_result: str | None
    next_try_at: datetime | None
    created_at: datetime
    ended_at: datetime | None


class AttemptAtDelivery(msgspec.Struct, frozen=True, kw_only=True):
    """One attempt, with a ``status`` or an ``error``, and the beginning of the response, without secrets."""

    at: datetime
    url: str
    status: int | None
    error: str | None
    detail: str
    duration_ms: int
    response: str


class DeliveryLogObject(DeliveryObject, frozen=True, kw_only=True):
    """A delivery with its latest attempts, newest first."""

    attempts: list[AttemptAtDelivery]


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
