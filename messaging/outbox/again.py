"""Rows that a relay publishes once more, although they were published or given up before."""

from typing import TYPE_CHECKING

from django.db.models import QuerySet

from messaging.outbox.clock import server_time
from messaging.outbox.notify import wake_relays

if TYPE_CHECKING:
    from messaging.outbox.models import AbstractOutboxMessage


def publish_again(rows: "QuerySet[AbstractOutboxMessage]") -> int:
    """Let a relay publish these rows as if for the first time, and return their number.

    Rows that were suspects remain suspects, so that another rejection closes no connection that others use.
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
