"""The times until work is due, for timers that poll every few seconds but rarely find work."""

from checkout.payments.models import ProviderNotification, Saga, SavedCard
from messaging.outbox.clock import seconds_until


def deadlines_due_in() -> float:
    """Return the seconds until the deadline of a running saga may have passed."""
    return seconds_until(Saga.objects.filter(status=Saga.Status.RUNNING), "look_at")


def notifications_due_in() -> float:
    """Return the seconds until a notification is to be tried again."""
    return seconds_until(ProviderNotification.objects.all(), "next_try_at")


def tokens_due_in() -> float:
    """Return the seconds until the deletion of a removed card's token is due."""
    return seconds_until(SavedCard.objects.all(), "deletion_due_at")
