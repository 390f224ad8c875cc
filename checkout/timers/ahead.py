"""What was written by a process whose clock is ahead: it would be due that much too late."""

from django.db import connections, router
from django.db.models import F
from django.db.models.functions import Now

from checkout.models import OutboxMessage, Saga


def bring_into_the_present() -> int:
    """Date messages that are owed, and deadlines, by the database's clock where they come from the future.

    What was for later stays that much later. SQLite has no clock but that of the one machine it is on.
    """
    if connections[router.db_for_write(OutboxMessage)].vendor != "postgresql":
        return 0
    # Of both conditions on times the first says no more than the second, and has an index.
    owed = OutboxMessage.objects.filter(
        published_at__isnull=True, available_at__gt=Now(), created_at__gt=Now()
    )
    running = Saga.objects.filter(status=Saga.Status.RUNNING, deadline_at__gt=Now(), updated_at__gt=Now())
    return owed.update(
        available_at=F("available_at") - (F("created_at") - Now()), created_at=Now()
    ) + running.update(deadline_at=F("deadline_at") - (F("updated_at") - Now()), updated_at=Now())
