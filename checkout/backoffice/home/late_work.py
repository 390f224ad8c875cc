"""Messages that should not wait any longer."""

from datetime import timedelta

from django.db.models import QuerySet
from django.utils import timezone

from checkout.payments.models import OutboxMessage

# A relay publishes within seconds, and so are webhooks sent; this is much later.
LATE = timedelta(seconds=30)


def late_messages(database: str) -> QuerySet[OutboxMessage]:
    """Return the messages of a database that a relay should have sent, those that wait longest first."""
    late = OutboxMessage.objects.using(database).filter(
        published_at__isnull=True, available_at__lt=timezone.now() - LATE
    )
    return late.order_by("available_at")
