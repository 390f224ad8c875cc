"""Rows of the outbox that the relay gives up."""

from django.utils import timezone

from checkout.payments.dead_letters import keep
from checkout.payments.models import OutboxMessage
from messaging.outbox.relay import MOST_REJECTIONS
from messaging.outbox.rows import OutboxRows


def give_up(row: OutboxMessage) -> None:
    """Record that the broker has rejected this row once more, which is one time too many."""
    row.published_at, row.available_at = None, timezone.now()
    row.is_suspect, row.rejections, row.last_error = True, MOST_REJECTIONS, "publish_rejected: not allowed"
    row.save()
    OutboxRows(OutboxMessage, keep).note([row], [row])
    row.refresh_from_db()
