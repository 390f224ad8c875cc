"""Read the endpoints and deliveries of one merchant, for the API. Those of other merchants are not found."""

from datetime import datetime, timedelta

from django.db.models import Q, QuerySet
from django.utils import timezone

from checkout.errors import WebhookNotFound
from checkout.webhooks.actions import TEST_TYPE, deliveries_of, endpoint_of, undelivered_events
from checkout.webhooks.keys import keys_of
from checkout.webhooks.models import Delivery

# During this time, a client that missed the answer can repeat its request to get the new secret.
SHOWN_AGAIN_FOR = timedelta(hours=1)


def deliveries(
    merchant: str,
    *,
    endpoint: str = "",
    event: str = "",
    state: str = "",
    delivered: bool | None = None,
    created_from: datetime | None = None,
    created_to: datetime | None = None,
) -> QuerySet[Delivery]:
    """Return the deliveries that match all given filters. ``created_to`` itself is not included.

    Raises ``WebhookNotFound`` for an ``endpoint`` that the merchant does not have.
    """
    rows = deliveries_of(merchant)
    if endpoint:
        rows = rows.filter(endpoint=endpoint_of(merchant, endpoint))
    if event:
        rows = rows.filter(event=event)
    if state:
        rows = rows.filter(state=state)
    if delivered is not None:
        is_delivered = Q(state=Delivery.State.DELIVERED)
        rows = rows.filter(is_delivered if delivered else ~is_delivered)
    if created_from is not None:
        rows = rows.filter(created_at__gte=created_from)
    return rows if created_to is None else rows.filter(created_at__lt=created_to)


def delivery_of(merchant: str, reference: str) -> Delivery:
    """Return the merchant's delivery. Raises ``WebhookNotFound``."""
    found = deliveries_of(merchant).filter(reference=reference).first()
    if found is None:
        raise WebhookNotFound(f"There is no delivery {reference}.")
    return found


def events_by_delivery(merchant: str, *, delivered: bool) -> Q:
    """Return a condition for events of which all deliveries have succeeded, or at least one has not.

    An event without deliveries matches neither condition. The tables of payments and of webhooks are in one
    database.
    """
    if not delivered:
        return Q(reference__in=undelivered_events(merchant).order_by())
    owed = deliveries_of(merchant).exclude(event_type=TEST_TYPE).order_by().values("event")
    return Q(reference__in=owed) & ~Q(reference__in=undelivered_events(merchant).order_by())


def new_secret_of(merchant: str, reference: str, public_key: str, made_at: datetime) -> str | None:
    """Return the secret that belongs to a public key; None if it is older than ``SHOWN_AGAIN_FOR``."""
    if made_at < timezone.now() - SHOWN_AGAIN_FOR:
        return None
    try:
        endpoint = endpoint_of(merchant, reference)
    except WebhookNotFound:
        return None
    signing = keys_of([endpoint])[endpoint.pk] or ()
    return next((each.secret for each in signing if each.public_key == public_key), None)
