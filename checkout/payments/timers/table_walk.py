"""Delete old rows of tables in batches, from the first batch with old rows or from a stored position."""

from datetime import datetime, timedelta
from typing import Any

from django.db.models import Q, QuerySet

from checkout.payments.models import RetentionWalk
from checkout.payments.timers.timer import BATCH
from messaging.outbox.clock import server_time_now

# Rows are deleted in many small transactions. A large one would delay vacuuming, and every transaction that
# waits for its rows.
ROWS = 10 * BATCH
# After this time a walk restarts, because rows that it had to leave may be deleted now.
AGAIN_AFTER = timedelta(days=1)


def delete_expired(table: QuerySet[Any], is_old: Q, written: str, long_ago: datetime) -> int:
    """Delete the rows that match ``is_old`` from the first batch that has any. Return their number.

    Batches follow the primary key, which needs no further index, and roughly the order in which rows were
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


def locked_walk(table: str) -> RetentionWalk | None:
    """Return the locked walk through a table, or None while another process has it."""
    RetentionWalk.objects.get_or_create(table=table)
    return RetentionWalk.objects.select_for_update(skip_locked=True).filter(table=table).first()


def begin_again_if_due(walk: RetentionWalk) -> bool:
    """Move a locked walk that is at its end back to the beginning of its table, once a day.

    The database's clock is used: a process with a fast clock would keep the walk at its end until the time of
    that clock. Return True if the walk was moved.
    """
    if not walk.is_at_end:
        return False
    now = server_time_now()
    if timedelta() <= now - walk.began_at < AGAIN_AFTER:
        return False
    walk.last_pk, walk.began_at = 0, now
    return True
