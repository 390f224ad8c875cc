"""The tables of sent messages, handled messages and dead letters. Their mechanism is in ``messaging/``."""

from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.utils import timezone

from checkout.messages import Command
from checkout.payments.models.staff_handling import StaffHandling
from messaging.outbox.models import AbstractInboxMessage, AbstractOutboxMessage, enqueue


class OutboxMessage(AbstractOutboxMessage):
    """A message to be sent, or that was sent."""

    class Meta(AbstractOutboxMessage.Meta):
        verbose_name = "sent message"


def send_to_checkout(command: Command[None], payment: str) -> None:
    """Write a command for the checkout service, about this payment, in the caller's transaction.

    The relay publishes it after the commit. Nobody waits for a reply.
    """
    enqueue(OutboxMessage, *command.address, command, subject=payment, delay_seconds=0)


class InboxMessage(AbstractInboxMessage):
    """A message that a service has handled."""

    class Meta(AbstractInboxMessage.Meta):
        verbose_name = "handled message"


class DeadLetter(StaffHandling):
    """A message that its service could not handle, stored without secrets until staff have dealt with it."""

    fingerprint = models.CharField(
        max_length=64,
        unique=True,
        editable=False,
        help_text="By which the same message is known when it dies again",
    )
    message_id = models.CharField(max_length=64, db_index=True)
    type = models.CharField(max_length=100)
    service = models.CharField(max_length=50, blank=True)
    queue = models.CharField(max_length=255, blank=True)
    reason = models.CharField(max_length=500, blank=True)
    subject = models.CharField(max_length=100, blank=True, db_index=True)
    correlation_id = models.CharField(max_length=120, blank=True, db_index=True)
    sender_user = models.CharField(
        max_length=255, blank=True, db_index=True, help_text="The broker user that sent it"
    )
    sender_app = models.CharField(
        max_length=255, blank=True, db_index=True, help_text="The program that says it sent it"
    )
    reply_to = models.CharField(max_length=255, blank=True)
    body = models.TextField()
    headers = models.JSONField(default=dict, blank=True)
    copies = models.PositiveIntegerField(default=1, help_text="How often it has died")
    died_at = models.DateTimeField(default=timezone.now)
    requeued_at = models.DateTimeField(null=True, blank=True)
    requeued_by = models.CharField(max_length=150, blank=True)

    class Meta:
        ordering: ClassVar = ["-died_at"]
        permissions: ClassVar = [
            ("requeue_deadletter", "Can send a dead letter again"),
            ("deal_with_deadletter", "Can mark a dead letter as dealt with"),
        ]

    def __str__(self) -> str:
        return f"{self.type} {self.message_id}"


# The condition on dead letters that wait for staff.
OPEN_LETTER = Q(requeued_at=None, dealt_with_at=None)
