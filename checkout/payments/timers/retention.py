"""Delete old messages, events, and notifications without effect."""

from collections.abc import Collection
from datetime import datetime, timedelta
from itertools import takewhile
from typing import Any

from django.db import DEFAULT_DB_ALIAS
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils import timezone

from checkout.conf import conf
from checkout.database.append_only import forgetting
from checkout.payments.models import Event, InboxMessage, OutboxMessage, ProviderNotification
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


# After this time a walk begins again, for rows that had to stay when it passed them, and need not any more.
AGAIN_AFTER = timedelta(days=1)


class Walk:
    """A walk through all rows of a table, from the oldest to those that are recent.

    It is for tables of which most rows stay for ever: each round looks at one batch, and the next goes on
    from there. At the end it stays, and goes on with the rows that grow old; once a day it begins again.
    ``written`` is the column by which a row is recent.
    """

    def __init__(self, table: QuerySet[Any], written: str) -> None:
        self._table, self._written = table, written
        self._last = 0
        self._began_at = timezone.now()
        self._is_at_end = False

    def next_batch(self, long_ago: datetime) -> Collection[int]:
        """Return the primary keys of the next batch, in which some rows may be more recent."""
        now = timezone.now()
        if self._is_at_end and now - self._began_at >= AGAIN_AFTER:
            self._last, self._began_at = 0, now
        rows = self._table.order_by("pk").filter(pk__gt=self._last)
        page = list(rows.values_list("pk", self._written)[:ROWS])
        self._is_at_end = len(page) < ROWS or page[-1][1] > long_ago
        passed = page if not self._is_at_end else takewhile(lambda row: row[1] <= long_ago, page)
        self._last = max((pk for pk, _ in passed), default=self._last)
        return [pk for pk, _ in page]

    def work(self, deleted: int) -> int:
        """Return the work of a batch, for the timer: it does not pause before the end of the table.

        A batch without a row that may be deleted would otherwise hold up all those behind it.
        """
        return deleted if self._is_at_end else max(deleted, ROWS)


class OldNotifications:
    """The notifications that are older than ``conf.retention`` and need not be kept."""

    def __init__(self) -> None:
        self._walk = Walk(ProviderNotification.objects.all(), "received_at")

    def forget(self) -> int:
        """Delete those of the next batch; return their number, or more if the next batch is due."""
        long_ago = timezone.now() - conf.retention
        old = ProviderNotification.objects.filter(IS_FORGOTTEN, received_at__lt=long_ago)
        return self._walk.work(old.filter(pk__in=self._walk.next_batch(long_ago)).delete()[0])


class OldEvents:
    """The events that are older than ``conf.event_retention``.

    The last event of a payment itself stays, with those after it: the next one is numbered after them, and
    its changes are found by comparison. They say no more than the rows of the payment, which stay as well.
    """

    def __init__(self) -> None:
        self._walk = Walk(Event.objects.all(), "created_at")

    def forget(self) -> int:
        """Delete those of the next batch; return their number, or more if the next batch is due."""
        long_ago = timezone.now() - conf.event_retention
        later = Event.objects.filter(
            payment=OuterRef("payment"), sequence__gt=OuterRef("sequence"), type__startswith="payment."
        )
        old = Event.objects.filter(Exists(later), created_at__lt=long_ago)
        with forgetting():
            return self._walk.work(old.filter(pk__in=self._walk.next_batch(long_ago)).delete()[0])
