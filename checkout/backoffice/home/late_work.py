"""Work that should not wait: messages to be sent, and webhooks that are due."""

from datetime import timedelta

from django.db.models import Q, QuerySet
from django.utils import timezone

from checkout.payments.models import OutboxMessage
from checkout.webhooks.models import Delivery, WebhookEndpoint

# A relay publishes within seconds, and so are webhooks sent; this is much later.
LATE = timedelta(seconds=30)


def late_messages(database: str) -> QuerySet[OutboxMessage]:
    """Return the messages of a database that a relay should have sent, those that wait longest first."""
    late = OutboxMessage.objects.using(database).filter(
        published_at__isnull=True, available_at__lt=timezone.now() - LATE
    )
    return late.order_by("available_at")


def late_deliveries() -> QuerySet[Delivery]:
    """Return the webhooks that are due and wait for nothing but the sender, the longest first."""
    late = timezone.now() - LATE
    is_paused = Q(endpoint__paused_until__gt=late)
    due = Delivery.objects.filter(~is_paused, state=Delivery.State.PENDING, next_try_at__lt=late)
    return due.filter(endpoint__state=WebhookEndpoint.State.ENABLED).order_by("next_try_at")
