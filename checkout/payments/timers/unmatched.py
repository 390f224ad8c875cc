"""Try notifications again: those that nobody has looked at, and those whose order was not known.

A notification is looked at as soon as it is stored. If that command is lost, this timer sends another one.
"""

from datetime import timedelta

from django.db import connection, transaction
from django.utils import timezone

from checkout.payments.messages import ApplyNotification
from checkout.payments.models import OutboxMessage, ProviderNotification
from checkout.payments.timers.timer import BATCH
from messaging.outbox.models import enqueue

REPEATED_AFTER = timedelta(minutes=10)


@transaction.atomic
def try_unmatched_again() -> int:
    """Write a command for every notification whose next try is due; the payments service plans the one after.

    If the command is lost, as a dead letter, another follows.
    """
    due = ProviderNotification.objects.filter(next_try_at__lte=timezone.now())
    notifications = list(
        due.select_for_update(skip_locked=connection.features.has_select_for_update_skip_locked, of=("self",))
        .order_by("next_try_at")
        .only("pk")[:BATCH]
    )
    for notification in notifications:
        command = ApplyNotification(notification=notification.pk)
        enqueue(OutboxMessage, *command.address, command, delay_seconds=0)
    ProviderNotification.objects.filter(pk__in=[notification.pk for notification in notifications]).update(
        next_try_at=timezone.now() + REPEATED_AFTER
    )
    return len(notifications)
