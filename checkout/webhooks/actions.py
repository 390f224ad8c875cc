"""One function for each action of merchants and staff on webhooks.

If a caller could name another merchant's endpoint, the function takes the merchant's code. If the action is
not possible, the function raises ``OperationRejected`` or one of its subclasses.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import transaction
from django.db.models import F, QuerySet
from django.utils import timezone

from checkout.conf import conf
from checkout.conf.api import API_VERSION
from checkout.errors import EndpointDisabled, IllegalTransition, RequestInvalid, WebhookNotFound
from checkout.mail.email_addresses import in_ascii
from checkout.payments import event_feed
from checkout.payments.event_feed import EVENT_TYPES
from checkout.privacy.scrubbing import contains_card_number, scrub_note
from checkout.references import new_reference
from checkout.webhooks.deliveries import (
    BATCH,
    end_waiting,
    high_water_mark,
    make_due,
    new_delivery,
    transition,
    write_new,
)
from checkout.webhooks.keys import add_secret, ending_secrets, replace_secret
from checkout.webhooks.models import Delivery, WebhookEndpoint
from checkout.webhooks.url_policy import url_error
from checkout.webhooks.waking import wake_after_commit
from messaging.outbox.clock import server_time_now

MOST_ENDPOINTS = 20
MOST_ENDING_SECRETS = 4
TEST_TYPE = "webhook.test"
# Older events cannot be sent again together. A client that counts 30 days back sends its later requests a
# little later, so some time is added to the limit.
RESEND_WITHIN = timedelta(days=30)
_SLACK = timedelta(hours=1)
# The batches of events that one request may send again. The request occupies a database thread meanwhile.
BATCHES_AT_ONCE = 10
State = WebhookEndpoint.State


@dataclass(frozen=True, slots=True)
class NewSecret:
    """A secret that is shown to the merchant once. ``public_key`` is not secret, and can be read later."""

    endpoint: WebhookEndpoint
    secret: str = field(repr=False)
    public_key: str = ""


def create_endpoint(
    merchant: str,
    url: str,
    *,
    event_types: Sequence[str] = (),
    payload: str = WebhookEndpoint.Payload.FULL,
    api_version: str = API_VERSION,
    description: str = "",
    contact_email: str = "",
    reference: str = "",
) -> NewSecret:
    """Create an enabled endpoint and its first secret. Raises ``RequestInvalid``.

    If the caller passes a ``reference``, a repeated call raises ``IntegrityError`` and creates nothing.
    """
    values = {
        "url": url,
        "event_types": list(event_types),
        "payload": payload,
        "description": description,
        "contact_email": contact_email,
    }
    _check(values)
    with transaction.atomic():
        # Concurrent requests wait here for each other, so that each counts the endpoints of the others.
        endpoints_of(merchant).select_for_update().order_by("pk").first()
        if fault := merchant_code_error(merchant):
            raise RequestInvalid("url", fault)
        end = high_water_mark()
        endpoint = WebhookEndpoint.objects.create(
            merchant=merchant,
            api_version=api_version,
            last_event_before_it=end.last,
            last_event_before_state=end.last,
            events_under_way=list(end.under_way),
            **({"reference": reference} if reference else {}),
            **values,
        )
        return _shown(endpoint, add_secret(endpoint))


def merchant_code_error(merchant: str) -> str:
    """Return the reason for which the merchant may have no further endpoint; "" if there is none."""
    is_full = endpoints_of(merchant).count() >= MOST_ENDPOINTS
    return f"A merchant may have {MOST_ENDPOINTS} endpoints." if is_full else ""


def change_endpoint(merchant: str, reference: str, **values: Any) -> WebhookEndpoint:
    """Change the given fields. Raises ``RequestInvalid`` and ``WebhookNotFound``.

    If the address changes, the failures of the old address no longer count, and deliveries that wait for
    their next attempt are sent to the new address at once.
    """
    _check(values)
    with transaction.atomic():
        endpoint = _locked(merchant, reference)
        is_moved = endpoint.is_enabled and values.get("url", endpoint.url) != endpoint.url
        for name, value in values.items():
            setattr(endpoint, name, value)
        if is_moved:
            _forget_failures(endpoint)
        endpoint.save(update_fields=[*values, *(_FAILURES if is_moved else ())])
        if is_moved:
            end_waiting(endpoint)
    return endpoint


def delete_endpoint(merchant: str, reference: str) -> None:
    """Delete the endpoint and its secrets, so that the merchant no longer sees it.

    Raises ``WebhookNotFound``. Staff can still read the log of its deliveries, until
    ``deliveries.delete_removed_endpoints`` deletes it.
    """
    with transaction.atomic():
        endpoint = _locked(merchant, reference)
        transition(endpoint, State.DELETED, "the merchant has deleted it")
        _forget_failures(endpoint)
        endpoint.save()
        endpoint.secrets.all().delete()


def rotate_secret(merchant: str, reference: str, *, is_sure: bool = False) -> NewSecret:
    """Make a new secret. The old secret signs as well until the overlap ends. Raises ``WebhookNotFound``.

    Raises ``IllegalTransition`` if too many secrets sign already, or, unless ``is_sure``, if the overlap of
    an earlier rotation has not ended (as after a double click).
    """
    with transaction.atomic():
        endpoint = _locked(merchant, reference)
        ending = ending_secrets(endpoint)
        if ending and not is_sure:
            raise IllegalTransition(
                "The secret was replaced a short time ago, and the old secret is still in use."
            )
        if ending >= MOST_ENDING_SECRETS:
            raise IllegalTransition("Too many old secrets are still in use. Wait until one of them expires.")
        return _shown(endpoint, replace_secret(endpoint, conf.webhook_secret_overlap))


def enable(merchant: str, reference: str) -> WebhookEndpoint:
    """Enable the endpoint, and send its pending deliveries. Raises ``WebhookNotFound``.

    A pause of the endpoint ends. Deliveries that wait for their next attempt become due.
    """
    with transaction.atomic():
        endpoint = _locked(merchant, reference)
        if not endpoint.is_enabled:
            transition(endpoint, State.ENABLED)
            _forget_failures(endpoint)
            endpoint.save()
        elif endpoint.paused_until is not None:
            endpoint.paused_until = None
            endpoint.save(update_fields=["paused_until"])
        # A ping may already have ended the pause, but it leaves the times of other attempts as they are.
        end_waiting(endpoint)
    return endpoint


def send_waiting(merchant: str, reference: str) -> None:
    """Send waiting deliveries now, and end a pause. Raises ``WebhookNotFound`` and ``EndpointDisabled``."""
    with transaction.atomic():
        endpoint = _locked(merchant, reference)
        _require_enabled(endpoint)
        _end_pause(endpoint)
        end_waiting(endpoint)


def disable(merchant: str, reference: str, reason: str) -> WebhookEndpoint:
    """Disable the endpoint. Its pending deliveries wait. Raises ``WebhookNotFound``."""
    with transaction.atomic():
        endpoint = _locked(merchant, reference)
        if endpoint.is_enabled:
            transition(endpoint, State.DISABLED, scrub_note(reason))
            _forget_failures(endpoint)
            endpoint.save()
    return endpoint


def ping(merchant: str, reference: str) -> Delivery:
    """Send a test event. Raises ``WebhookNotFound`` and ``EndpointDisabled``."""
    with transaction.atomic():
        endpoint = _locked(merchant, reference)
        _require_enabled(endpoint)
        event, now = new_reference("evt"), server_time_now()
        delivery = Delivery.objects.create(
            endpoint=endpoint,
            event=event,
            event_type=TEST_TYPE,
            content=_test_event(event, endpoint, now),
            next_try_at=now,
        )
        # A test event must be sent now, not after the pause.
        _end_pause(endpoint)
        wake_after_commit()
    return delivery


def resend(merchant: str, reference: str) -> Delivery:
    """Send a delivery in any state again at once, with the same id. A pause of the endpoint ends.

    Raises ``WebhookNotFound`` and ``EndpointDisabled``.
    """
    with transaction.atomic():
        delivery = deliveries_of(merchant).select_for_update().filter(reference=reference).first()
        if delivery is None:
            raise WebhookNotFound(f"There is no delivery {reference}.")
        _require_enabled(delivery.endpoint)
        make_due(Delivery.objects.filter(pk=delivery.pk))
        _end_pause(delivery.endpoint)
        delivery.refresh_from_db()
    return delivery


@dataclass(frozen=True, slots=True)
class Resent:
    """The number of events that are sent again, and the key of the last one; 0 if no more events follow."""

    count: int
    after: int


def resend_since(merchant: str, reference: str, since: datetime) -> int:
    """Send all events since a time to the endpoint, including those that it has received before.

    Return their number. Raises the errors of ``resend_some``.
    """
    count, resent = 0, resend_some(merchant, reference, since)
    while resent.after:
        count, resent = count + resent.count, resend_some(merchant, reference, since, after=resent.after)
    return count + resent.count


def resend_some(merchant: str, reference: str, since: datetime, *, after: int = 0) -> Resent:
    """Send the events since a time and after the event ``after`` again, up to ``BATCHES_AT_ONCE`` batches.

    A pause of the endpoint ends.
    Raises ``WebhookNotFound``, ``EndpointDisabled`` and, if the time is too long ago, ``RequestInvalid``.
    """
    if since < timezone.now() - RESEND_WITHIN - _SLACK:
        raise RequestInvalid("since", f"The time may be at most {RESEND_WITHIN.days} days ago.")
    endpoint = endpoint_of(merchant, reference)
    _require_enabled(endpoint)
    count = 0
    for _ in range(BATCHES_AT_ONCE):
        items = event_feed.items_since(merchant, since, after=after, most=BATCH)
        wanted = [item for item in items if endpoint.wants(item.type)]
        with transaction.atomic():
            events = [item.reference for item in wanted]
            make_due(Delivery.objects.filter(endpoint=endpoint, event__in=events))
            write_new([new_delivery(endpoint, item) for item in wanted])
            _end_pause(endpoint)
        count += len(wanted)
        if len(items) < BATCH:
            return Resent(count, 0)
        after = items[-1].pk
    return Resent(count, after)


def advance_deliveries(merchant: str, payment: str, by: timedelta) -> None:
    """Move the next attempts of a payment's pending webhooks forward, and the pauses of their endpoints.

    Attempts under way are left alone. Callers use this function in a try-out only.
    """
    with transaction.atomic():
        pending = deliveries_of(merchant).filter(payment=payment, state=Delivery.State.PENDING, lease="")
        paused = endpoints_of(merchant).filter(pk__in=pending.values("endpoint"))
        paused.update(paused_until=F("paused_until") - by)
        Delivery.objects.filter(pk__in=list(pending.values_list("pk", flat=True))).update(
            next_try_at=F("next_try_at") - by
        )
        wake_after_commit()


def endpoint_of(merchant: str, reference: str) -> WebhookEndpoint:
    """Return the merchant's endpoint. Raises ``WebhookNotFound``."""
    return _found(endpoints_of(merchant), reference)


def endpoints_of(merchant: str) -> QuerySet[WebhookEndpoint]:
    """Return the merchant's endpoints, newest first."""
    return WebhookEndpoint.objects.filter(merchant=merchant).exclude(state=State.DELETED)


def deliveries_of(merchant: str) -> QuerySet[Delivery]:
    """Return the deliveries of all of the merchant's endpoints, newest first."""
    owners = endpoints_of(merchant).order_by()
    return Delivery.objects.filter(endpoint__in=owners).select_related("endpoint")


def undelivered_events(merchant: str) -> QuerySet[Delivery, str]:
    """Return the ids of the merchant's events with a delivery that is pending or has failed."""
    pending_or_failed = deliveries_of(merchant).exclude(state=Delivery.State.DELIVERED)
    return pending_or_failed.exclude(event_type=TEST_TYPE).values_list("event", flat=True)


def _end_pause(endpoint: WebhookEndpoint) -> None:
    """End a pause at somebody's request, so that the endpoint is tried at once.

    Another failure pauses it again.
    """
    WebhookEndpoint.objects.filter(pk=endpoint.pk).update(paused_until=None)


def _locked(merchant: str, reference: str) -> WebhookEndpoint:
    return _found(endpoints_of(merchant).select_for_update(), reference)


def _found(endpoints: QuerySet[WebhookEndpoint], reference: str) -> WebhookEndpoint:
    found = endpoints.filter(reference=reference).first()
    if found is None:
        raise WebhookNotFound(f"There is no webhook endpoint {reference}.")
    return found


def _require_enabled(endpoint: WebhookEndpoint) -> None:
    if not endpoint.is_enabled:
        raise EndpointDisabled


_FAILURES = ("failures", "failing_since", "paused_until", "warned_at", "owed_notice")


def _forget_failures(endpoint: WebhookEndpoint) -> None:
    endpoint.failures, endpoint.failing_since, endpoint.paused_until = 0, None, None
    endpoint.warned_at, endpoint.owed_notice = None, WebhookEndpoint.Notice.NONE


def _shown(endpoint: WebhookEndpoint, keys: Any) -> NewSecret:
    return NewSecret(endpoint, keys.secret, keys.public_key)


def _test_event(event: str, endpoint: WebhookEndpoint, now: datetime) -> dict[str, Any]:
    """Return the body of a test event, which has no payment."""
    return {
        "id": event,
        "object": "event",
        "type": TEST_TYPE,
        "created_at": f"{now:%Y-%m-%dT%H:%M:%S.%fZ}",
        "live": event_feed.is_live(endpoint.merchant),
        "merchant": endpoint.merchant,
        "endpoint": endpoint.reference,
        "api_version": endpoint.api_version,
    }


def validation_errors(values: Mapping[str, Any]) -> dict[str, str]:
    """Return the errors in values for an endpoint, by the field's name."""
    faults = {
        name: _CHECKS[name](value) if name in _CHECKS else "This cannot be set."
        for name, value in values.items()
    }
    return {name: fault for name, fault in faults.items() if fault}


def _check(values: Mapping[str, Any]) -> None:
    for name, fault in validation_errors(values).items():
        raise RequestInvalid(name, fault)


def _types_error(value: Any) -> str:
    if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
        return "This must be a list of event types. An empty list stands for all types."
    unknown = [each for each in value if each not in EVENT_TYPES]
    return f"There is no event type {unknown[0][:60]}." if unknown else ""


def _email_error(value: Any) -> str:
    try:
        if value:
            validate_email(value)
            in_ascii(value)
    except (ValidationError, ValueError):
        return "This is not an e-mail address."
    return ""


def _description_error(value: Any) -> str:
    if not isinstance(value, str) or len(value) > 200:
        return "The description may have at most 200 characters."
    return (
        "The description contains a card number, which is not stored." if contains_card_number(value) else ""
    )


def _payload_error(value: Any) -> str:
    return "" if value in WebhookEndpoint.Payload.values else "The payload must be full or thin."


def _url_error(value: Any) -> str:
    fault = url_error(value, is_new=True)
    return f"The address {fault}." if fault else ""


_CHECKS = {
    "url": _url_error,
    "event_types": _types_error,
    "payload": _payload_error,
    "description": _description_error,
    "contact_email": _email_error,
}
