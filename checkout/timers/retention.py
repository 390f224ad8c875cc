"""Forgets messages that were sent and handled so long ago that nobody repeats them any more."""

from django.db import models
from django.utils import timezone

from checkout.conf import conf
from checkout.models import InboxMessage, OutboxMessage
from checkout.timers.timer import BATCH

# Many small transactions: a large one would hold up vacuuming and everybody who waits for its rows.
ROWS = 10 * BATCH


def forget_old_messages() -> int:
    """Delete messages published, and handled, longer than ``conf.retention`` ago. What is owed stays."""
    long_ago = timezone.now() - conf.retention
    return _forget(OutboxMessage.objects.filter(published_at__lt=long_ago)) + _forget(
        InboxMessage.objects.filter(handled_at__lt=long_ago)
    )


def _forget(old: models.QuerySet[OutboxMessage] | models.QuerySet[InboxMessage]) -> int:
    """Look at the oldest rows only: by primary key, which needs no further index."""
    oldest = list(old.model._default_manager.order_by("pk").values_list("pk", flat=True)[:ROWS])
    return old.filter(pk__in=oldest).delete()[0]
