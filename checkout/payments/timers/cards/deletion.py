"""Ask the provider to delete the tokens of removed cards, at growing intervals until it confirms."""

from datetime import timedelta

from django.db import transaction

from checkout.payments.messages import DeleteToken
from checkout.payments.models import OutboxMessage, SavedCard
from checkout.payments.timers.timer import BATCH
from messaging.outbox.clock import server_time
from messaging.outbox.models import enqueue

REPEATED_AFTER = timedelta(minutes=10)


@transaction.atomic
def delete_tokens() -> int:
    """Write a command for every deletion that is due. The payments service plans the next try.

    If the command is lost, another follows.
    """
    due = SavedCard.objects.filter(deletion_due_at__lte=server_time())
    cards = list(
        due.select_for_update(skip_locked=True, no_key=True)
        .order_by("deletion_due_at")
        .only("pk", "reference", "deletion_tries")[:BATCH]
    )
    for card in cards:
        command = DeleteToken(card=card.reference, number=card.deletion_tries)
        enqueue(OutboxMessage, *command.address, command, subject=card.reference, delay_seconds=0)
    again = server_time() + REPEATED_AFTER
    SavedCard.objects.filter(pk__in=[card.pk for card in cards]).update(deletion_due_at=again)
    return len(cards)
