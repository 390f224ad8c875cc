"""Correct the times of messages from processes whose clock is ahead, which would be sent too late."""

from django.db import DEFAULT_DB_ALIAS, connections, transaction
from django.db.models import F
from django.db.models.functions import Now

from checkout.payments.models import OutboxMessage
from checkout.payments.timers.timer import BATCH


def correct_clock_skew(database: str = DEFAULT_DB_ALIAS) -> int:
    """Set unpublished messages that are dated in the future to the database's time, which relays use, too.

    A message that was delayed stays delayed by as much. SQLite has no clock of its own, so nothing is done.
    """
    if connections[database].vendor != "postgresql":
        return 0
    outbox = OutboxMessage.objects.using(database)
    # The first condition on times is implied by the second. It and the order are there for the index.
    ahead = outbox.filter(published_at__isnull=True, available_at__gt=Now(), created_at__gt=Now())
    ahead = ahead.order_by("available_at")
    if ahead.values_list("pk").first() is None:
        return 0
    with transaction.atomic(using=database):
        # Rows that another transaction has locked are skipped: it may be correcting them already.
        numbers = list(ahead.select_for_update(skip_locked=True).values_list("pk", flat=True)[:BATCH])
        rows = outbox.filter(pk__in=numbers)
        return rows.update(available_at=F("available_at") - (F("created_at") - Now()), created_at=Now())
