"""Delete old messages, events, and notifications without effect."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from itertools import takewhile
from typing import Any

from django.db import DEFAULT_DB_ALIAS, connections, transaction
from django.db.models import Exists, Max, OuterRef, Q, QuerySet

from checkout.conf import conf
from checkout.database.append_only import erasing_on_purpose
from checkout.payments.events.log import last_published
from checkout.payments.models import (
    Event,
    InboxMessage,
    OutboxMessage,
    ProviderNotification,
)
from checkout.payments.timers.table_walk import ROWS, begin_again_if_due, delete_expired, locked_walk
from checkout.payments.timers.timer import BATCH, NOTHING, Work
from messaging.outbox.clock import server_time_now
from messaging.outbox.months import Months

# The rows of a month that one statement reads. It must take much less time than ``conf.database_seconds``.
LOOKED_AT_ONCE = 20_000


def delete_expired_messages(database: str = DEFAULT_DB_ALIAS, *, now: datetime | None = None) -> int:
    """Delete messages published or handled longer than ``conf.retention`` ago. Unpublished messages stay.

    In PostgreSQL, whose tables are divided into months, a month is dropped as a whole when all of it is old
    enough. Return the number of dropped months and deleted rows. Without ``now``, the time is the database's.
    """
    now = now or server_time_now(database)
    return _forget_messages(OutboxMessage, database, "created_at", "published_at", now) + _forget_messages(
        InboxMessage, database, "received_at", "handled_at", now
    )


def _forget_messages(
    model: type[OutboxMessage | InboxMessage], database: str, written: str, done: str, now: datetime
) -> int:
    long_ago = now - conf.retention
    is_old = Q(**{f"{done}__lt": long_ago})
    if connections[database].vendor != "postgresql":
        return delete_expired(model.objects.using(database), is_old, written, long_ago)
    months = Months(model, database)
    months.make_ahead(now)
    dropped = months.drop_before(
        long_ago,
        are_needed=lambda rows: _are_needed(rows, written, done, long_ago),
        were_used=lambda rows: _were_used(rows, done, long_ago),
    )
    return dropped + delete_expired(months.others(), is_old, written, long_ago)


def _are_needed(rows: QuerySet[Any], written: str, done: str, long_ago: datetime) -> bool:
    """Return True if a row of a past month is not ``done``, or was ``written`` long after that month.

    Keys follow the order of writing, so only the last rows are checked.
    """
    last = rows.order_by("-pk").values_list(written, flat=True)[:BATCH]
    if any(at >= long_ago for at in last):
        return True
    # PostgreSQL before release 17 would read all rows to search a column that is never NULL for NULL.
    if not rows.model._meta.get_field(done).null:
        return False
    # The order is that of the index of unsent messages.
    open_ = rows.filter(**{f"{done}__isnull": True}).order_by("available_at")
    return open_.values_list("pk").first() is not None


def _were_used(rows: QuerySet[Any], done: str, long_ago: datetime) -> bool:
    """Return True if one of the rows was ``done`` lately, because it was sent again.

    There is no index for this, so all rows are read, in parts, because a month may have many millions.
    """
    last = 0
    while True:
        part = rows.filter(pk__gt=last).order_by("pk")[:LOOKED_AT_ONCE]
        with _planned_anew(rows.db):
            seen = part.aggregate(last=Max("pk"), done=Max(done))
        if seen["last"] is None:
            return False
        if seen["done"] is not None and seen["done"] >= long_ago:
            return True
        last = seen["last"]


@contextmanager
def _planned_anew(database: str) -> Iterator[None]:
    """Have PostgreSQL plan the statements of the block for their own values.

    With the generic plan of a repeated statement, it would read and sort the whole month for each part.
    """
    with transaction.atomic(using=database):
        with connections[database].cursor() as cursor:
            cursor.execute("SET LOCAL plan_cache_mode = force_custom_plan")
        yield


State = ProviderNotification.State
# A hint need not be kept. An unmatched or unreadable notification is kept until staff have dealt with it. A
# notification that is still to be applied is kept as well.
IS_FORGOTTEN = Q(is_proven=False) & ~Q(state=State.RECEIVED) | Q(
    state__in=(State.UNMATCHED, State.UNREADABLE), dealt_with_at__isnull=False
)


def delete_expired_notifications() -> Work:
    """Delete notifications older than ``conf.retention`` that need not be kept, in the next batch of rows."""
    long_ago = server_time_now() - conf.retention
    old = ProviderNotification.objects.filter(IS_FORGOTTEN, received_at__lt=long_ago)
    return _walk_on(ProviderNotification.objects.all(), "received_at", long_ago, old)


def delete_expired_events() -> Work:
    """Delete events older than ``conf.event_retention``, in the next batch of rows.

    The last event of a payment itself stays, with all events after it: the next event is numbered after them,
    and its changes are found by comparison with them. These events contain no more than the payment's rows,
    which stay as well.
    """
    long_ago = server_time_now() - conf.event_retention
    later = Event.objects.filter(
        payment=OuterRef("payment"), sequence__gt=OuterRef("sequence"), type__startswith="payment."
    )
    # An event that has not been published stays, however old it is.
    old = Event.objects.filter(Exists(later), created_at__lt=long_ago, pk__lte=last_published())
    with erasing_on_purpose():
        return _walk_on(Event.objects.all(), "created_at", long_ago, old)


@transaction.atomic
def _walk_on(table: QuerySet[Any], written: str, long_ago: datetime, old: QuerySet[Any]) -> Work:
    """Delete the ``old`` rows in the next batch of ``table``, and store the position.

    This is for tables whose rows are mostly kept for ever. A walk goes from the oldest rows to recent ones by
    the column ``written``. There it stops, and continues with rows as they become old. Once a day it
    restarts. All processes share the walk, and it continues after a restart.
    """
    walk = locked_walk(table.model._meta.db_table)
    if walk is None:
        return NOTHING
    begin_again_if_due(walk)
    page = list(table.order_by("pk").filter(pk__gt=walk.last_pk).values_list("pk", written)[:ROWS])
    deleted = old.filter(pk__in=[pk for pk, _ in page]).delete()[0]
    walk.is_at_end = len(page) < ROWS or page[-1][1] > long_ago
    passed = page if not walk.is_at_end else takewhile(lambda row: row[1] <= long_ago, page)
    walk.last_pk = max((pk for pk, _ in passed), default=walk.last_pk)
    walk.save()
    return Work(deleted, has_more=not walk.is_at_end)
