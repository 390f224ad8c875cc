"""Forgets messages, and notifications that came to nothing, so old that nobody repeats them any more."""

from datetime import datetime

from django.db.models import Model, Q
from django.utils import timezone

from checkout.conf import conf
from checkout.models import InboxMessage, OutboxMessage, ProviderNotification
from checkout.timers.timer import BATCH

# Many small transactions: a large one would hold up vacuuming and everybody who waits for its rows.
ROWS = 10 * BATCH


def forget_old_messages() -> int:
    """Delete messages published, and handled, longer than ``conf.retention`` ago. What is owed stays."""
    long_ago = timezone.now() - conf.retention
    return forget(OutboxMessage, Q(published_at__lt=long_ago), "created_at", long_ago) + forget(
        InboxMessage, Q(handled_at__lt=long_ago), "received_at", long_ago
    )


def forget(model: type[Model], is_old: Q, written: str, long_ago: datetime) -> int:
    """Delete what ``is_old`` from the first batch, by age, that has any; return how many rows that were.

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


State = ProviderNotification.State
# What proves nothing is nobody's record, and what nothing of ours was found for is one only until staff have
# dealt with it. A notification whose command is still owed stays.
IS_FORGOTTEN = Q(is_proven=False) & ~Q(state=State.RECEIVED) | Q(
    state__in=(State.UNMATCHED, State.UNREADABLE), dealt_with_at__isnull=False
)


class OldNotifications:
    """Walks through all notifications, from the oldest to those that are young, and begins again.

    Most of them stay for ever, so each round looks at one batch and the next goes on from there.
    """

    def __init__(self) -> None:
        self._last = 0

    def forget(self) -> int:
        """Delete from the next batch of notifications what is older than ``conf.retention`` and not kept."""
        long_ago = timezone.now() - conf.retention
        rows = ProviderNotification.objects.order_by("pk").filter(pk__gt=self._last)
        page = list(rows.values_list("pk", "received_at")[:ROWS])
        is_last = len(page) < ROWS or page[-1][1] > long_ago
        self._last = 0 if is_last else page[-1][0]
        old = ProviderNotification.objects.filter(IS_FORGOTTEN, received_at__lt=long_ago)
        return old.filter(pk__in=[pk for pk, _ in page]).delete()[0]
