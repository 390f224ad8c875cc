"""Delete messages, and notifications without effect, that are too old to be repeated."""

from datetime import datetime
from typing import Any

from django.db import DEFAULT_DB_ALIAS
from django.db.models import Q, QuerySet
from django.utils import timezone

from checkout.conf import conf
from checkout.payments.models import InboxMessage, OutboxMessage, ProviderNotification
from checkout.payments.timers.timer import BATCH

# Rows are deleted in many small transactions: a large one would hold up vacuuming, and all that wait for its
# rows.
ROWS = 10 * BATCH


def forget_old_messages(database: str = DEFAULT_DB_ALIAS) -> int:
    """Delete messages published, or handled, longer than ``conf.retention`` ago. Unpublished ones stay."""
    long_ago = timezone.now() - conf.retention
    is_published, is_handled = Q(published_at__lt=long_ago), Q(handled_at__lt=long_ago)
    sent, handled = OutboxMessage.objects.using(database), InboxMessage.objects.using(database)
    return forget(sent, is_published, "created_at", long_ago) + forget(
        handled, is_handled, "received_at", long_ago
    )


def forget(table: QuerySet[Any], is_old: Q, written: str, long_ago: datetime) -> int:
    """Delete the rows that match ``is_old`` from the first batch that has any; return their number.

    Batches go by primary key, which needs no further index, and is about the order in which rows were
    ``written``.
    """
    last = 0
    while True:
        rows = table.order_by("pk").filter(pk__gt=last)
        page = list(rows.values_list("pk", written)[:ROWS])
        forgotten = table.filter(is_old, pk__in=[pk for pk, _ in page]).delete()[0]
        if forgotten or len(page) < ROWS or page[-1][1] > long_ago:
            return forgotten
        last = page[-1][0]


State = ProviderNotification.State
# A hint is no record that must be kept. An unmatched or unreadable notification is one until staff have dealt
# with it. A notification that is still to be applied stays.
IS_FORGOTTEN = Q(is_proven=False) & ~Q(state=State.RECEIVED) | Q(
    state__in=(State.UNMATCHED, State.UNREADABLE), dealt_with_at__isnull=False
)


class OldNotifications:
    """A walk through all notifications, from the oldest to those that are recent, which then begins again.

    Most of them stay for ever, so each round looks at one batch and the next goes on from there.
    """

    def __init__(self) -> None:
        self._last = 0

    def forget(self) -> int:
        """Delete those of the next batch that are older than ``conf.retention`` and need not be kept."""
        long_ago = timezone.now() - conf.retention
        rows = ProviderNotification.objects.order_by("pk").filter(pk__gt=self._last)
        page = list(rows.values_list("pk", "received_at")[:ROWS])
        is_last = len(page) < ROWS or page[-1][1] > long_ago
        self._last = 0 if is_last else page[-1][0]
        old = ProviderNotification.objects.filter(IS_FORGOTTEN, received_at__lt=long_ago)
        return old.filter(pk__in=[pk for pk, _ in page]).delete()[0]
