"""Messages that were written by a process whose clock is ahead: they would be due that much too late."""

from django.db import connections, router, transaction
from django.db.models import F
from django.db.models.functions import Now

from checkout.models import OutboxMessage
from checkout.timers.timer import BATCH


@transaction.atomic
def bring_into_the_present() -> int:
    """Date what is owed and comes from the future by the database's clock, which relays go by, too.

    What was for later stays that much later. SQLite has no clock but that of the one machine it is on.
    """
    if connections[router.db_for_write(OutboxMessage)].vendor != "postgresql":
        return 0
    # The first condition on times is implied by the second; it is there so that the index is used.
    ahead = OutboxMessage.objects.filter(
        published_at__isnull=True, available_at__gt=Now(), created_at__gt=Now()
    )
    # Whoever is at work on one of them is not waited for, and may have made it right meanwhile.
    numbers = list(ahead.select_for_update(skip_locked=True).values_list("pk", flat=True)[:BATCH])
    rows = OutboxMessage.objects.filter(pk__in=numbers)
    return rows.update(available_at=F("available_at") - (F("created_at") - Now()), created_at=Now())
