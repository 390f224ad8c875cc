"""Forgets messages that were sent and handled so long ago that nobody repeats them any more."""

from datetime import datetime

from django.db.models import Model, Q
from django.utils import timezone

from checkout.conf import conf
from checkout.models import InboxMessage, OutboxMessage
from checkout.timers.timer import BATCH

# Many small transactions: a large one would hold up vacuuming and everybody who waits for its rows.
ROWS = 10 * BATCH


def forget_old_messages() -> int:
    """Delete messages published, and handled, longer than ``conf.retention`` ago. What is owed stays."""
    long_ago = timezone.now() - conf.retention
    return _forget(OutboxMessage, Q(published_at__lt=long_ago), "created_at", long_ago) + _forget(
        InboxMessage, Q(handled_at__lt=long_ago), "received_at", long_ago
    )


def _forget(model: type[Model], is_old: Q, written: str, long_ago: datetime) -> int:
    """Walk on from the oldest rows, however many must stay, to the first batch with one that need not.

    By primary key, which needs no further index, and is about the order in which rows were ``written``.
    """
    last = 0
    while True:
        rows = model._default_manager.order_by("pk").filter(pk__gt=last)
        page = list(rows.values_list("pk", written)[:ROWS])
        forgotten = model._default_manager.filter(is_old, pk__in=[pk for pk, _ in page]).delete()[0]
        if forgotten or len(page) < ROWS or page[-1][1] > long_ago:
            return forgotten
        last = page[-1][0]
