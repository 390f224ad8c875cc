"""Messages that have waited longer than they should."""

from datetime import timedelta

from django.db.models import QuerySet
from django.utils import timezone

from checkout.payments.models import OutboxMessage

# A relay publishes messages, and webhooks are sent, within seconds. This time is much longer.
LATE = timedelta(seconds=30)


def late_messages(database: str) -> QuerySet[OutboxMessage]:
    """Return the messages in a database that a relay should have sent already, the oldest first."""
    late = OutboxMessage.objects.using(database).filter(
        published_at__isnull=True, available_at__lt=timezone.now() - LATE
    )
    return late.order_by("available_at")
