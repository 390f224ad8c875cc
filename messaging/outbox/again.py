"""Rows that a relay publishes although they have been published, or were given up, before."""

from typing import TYPE_CHECKING

from django.db.models import QuerySet

from messaging.outbox.clock import server_time
from messaging.outbox.notify import wake_relays

if TYPE_CHECKING:
    from messaging.outbox.models import AbstractOutboxMessage


def publish_again(rows: "QuerySet[AbstractOutboxMessage]") -> int:
    """Let a relay publish these rows as if for the first time, and return their number.

    A suspect stays one, so that it ends no connection that others use if it is rejected again.
    """
    count = rows.update(
        published_at=None,
        available_at=server_time(rows.db),
        attempts=0,
        last_error="",
        rejections=0,
        given_up_at=None,
    )
    wake_relays(rows.model, rows.db)
    return count
