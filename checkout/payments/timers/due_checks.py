"""Cheap checks for due work, for timers that run every few seconds and rarely have any.

A check reads the first row in the order of an index. Without the order, a prepared statement would read the
whole table, because its plan assumes that a third of the rows are due.
"""

from django.db.models import QuerySet

from checkout.payments.models import ProviderNotification, Saga, SavedCard
from messaging.outbox.clock import server_time


def has_passed_deadlines() -> bool:
    """Return True if the deadline of a running saga may have passed."""
    passed = Saga.objects.filter(status=Saga.Status.RUNNING, look_at__lte=server_time())
    return _has_first(passed, "look_at")


def has_unmatched_notifications() -> bool:
    """Return True if a notification is to be tried again."""
    due = ProviderNotification.objects.filter(next_try_at__lte=server_time())
    return _has_first(due, "next_try_at")


def has_tokens_to_delete() -> bool:
    """Return True if the deletion of a removed card's token is due."""
    return _has_first(SavedCard.objects.filter(deletion_due_at__lte=server_time()), "deletion_due_at")


def _has_first(due: QuerySet[Saga] | QuerySet[ProviderNotification] | QuerySet[SavedCard], by: str) -> bool:
    return due.order_by(by).values_list("pk").first() is not None
