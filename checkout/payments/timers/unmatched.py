"""Try notifications again that were not processed, or whose order was not known.

Web sends the command to apply a notification as soon as it is stored. If that command may have been lost,
this timer writes the same message to the outbox, once. If the order of a notification was not known, the
notification is tried at growing intervals.
"""

from datetime import timedelta

from django.db import transaction

from checkout.payments.actions.notification import payment_named_by
from checkout.payments.messages import ApplyNotification
from checkout.payments.models import OutboxMessage, ProviderNotification
from checkout.payments.timers.timer import BATCH
from messaging.outbox.clock import server_time_now
from messaging.outbox.models import enqueue

REPEATED_AFTER = timedelta(minutes=10)


@transaction.atomic
def try_unmatched_again() -> int:
    """Write a command for every notification whose next try is due. The payments service plans the next try.

    If such a command becomes a dead letter, another follows.
    """
    now = server_time_now()
    due = ProviderNotification.objects.filter(next_try_at__lte=now)
    notifications = list(
        due.select_related("account")
        .select_for_update(skip_locked=True, of=("self",))
        .order_by("next_try_at")[:BATCH]
    )
    for notification in notifications:
        if notification.state == ProviderNotification.State.RECEIVED:
            _owe(notification)
            notification.next_try_at = None
        else:
            command = ApplyNotification(notification=notification.pk)
            enqueue(OutboxMessage, *command.address, command, delay_seconds=0)
            notification.next_try_at = now + REPEATED_AFTER
    ProviderNotification.objects.bulk_update(notifications, ["next_try_at"])
    return len(notifications)


def _owe(notification: ProviderNotification) -> None:
    """Write the command that web has sent, or was about to send, with the same message id.

    If staff have sent its dead letter again, the outbox has the command already.
    """
    command, message_id = ApplyNotification(notification=notification.pk), notification.command_id
    if not OutboxMessage.objects.filter(message_id=message_id).exists():
        subject = payment_named_by(notification)
        enqueue(
            OutboxMessage,
            *command.address,
            command,
            subject=subject,
            delay_seconds=0,
            message_id=message_id,
        )
