"""Outbox rows whose message is published by the worker that handles the message that caused it.

A worker acknowledges a message after it has published what the message caused. If the worker ends before
that, the broker delivers the message again. So the rows of such messages need not be marked one by one, and
relays need not look for them. Such rows are written as published from the start, at the moment of their
creation.
"""

from typing import TYPE_CHECKING

from django.db.models import F, Q

from messaging.outbox.again import publish_again

if TYPE_CHECKING:
    from messaging.outbox.models import AbstractOutboxMessage

LEFT_TO_CAUSE = Q(published_at=F("created_at"))


def leave_to_cause(row: "AbstractOutboxMessage") -> None:
    """Leave an unsaved row to the worker that handles the message that caused it."""
    row.published_at = row.created_at


def leave_to_relay(model: "type[AbstractOutboxMessage]", using: str, **which: object) -> None:
    """Give those of these rows that were left to a worker to the relay."""
    rows = model._default_manager.using(using).filter(LEFT_TO_CAUSE, **which)
    publish_again(rows)
