"""Looks for work of timers that are asked every few seconds, and that rarely have any."""

from django.utils import timezone

from checkout.payments.models import ProviderNotification, Saga, SavedCard


def has_passed_deadlines() -> bool:
    """Return True if the deadline of a running saga has passed."""
    return Saga.objects.filter(status=Saga.Status.RUNNING, deadline_at__lte=timezone.now()).exists()


def has_unmatched_notifications() -> bool:
    """Return True if a notification is to be tried again."""
    return ProviderNotification.objects.filter(next_try_at__lte=timezone.now()).exists()


def has_tokens_to_delete() -> bool:
    """Return True if the deletion of a removed card's token is due."""
    return SavedCard.objects.filter(deletion_due_at__lte=timezone.now()).exists()
