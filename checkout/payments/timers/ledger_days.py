"""Count the ledger's postings by day. The position of the walk is stored with those of the other timers."""

from django.db import transaction

from checkout.ledger.daily_totals import WALK, count_days_since
from checkout.payments.timers.figures import COMMITTED_WITHIN
from checkout.payments.timers.table_walk import locked_walk
from checkout.payments.timers.timer import NOTHING, Work
from messaging.outbox.clock import server_time_now


@transaction.atomic
def count_changed_days() -> Work:
    """Count the days of entries that were posted since the last round. Return the number of these days."""
    walk = locked_walk(WALK)
    if walk is None:
        return NOTHING
    now = server_time_now()
    counted = count_days_since(walk.last_pk, now - COMMITTED_WITHIN)
    walk.last_pk, walk.began_at, walk.is_at_end = counted.last_pk, now, not counted.has_more
    walk.save()
    return Work(counted.days, counted.has_more)
