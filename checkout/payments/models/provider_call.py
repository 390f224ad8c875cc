"""The table of calls to providers. Each is recorded before it is made."""

from typing import ClassVar

from django.db import models
from django.utils import timezone

from checkout.payments.models.payment import Attempt


class ProviderCall(models.Model):
    """An intent, committed before the provider is called. Without ``finished_at``, its outcome is unknown."""

    attempt = models.ForeignKey(Attempt, on_delete=models.PROTECT, related_name="provider_calls")
    key = models.CharField(max_length=100, unique=True, help_text="The idempotency key sent to the provider")
    verb = models.CharField(max_length=30)
    started_at = models.DateTimeField(default=timezone.now)
    earlier_at = models.DateTimeField(
        null=True, blank=True, help_text="When the first of the earlier copies was sent that may yet arrive"
    )
    recognised_key = models.CharField(
        max_length=100,
        blank=True,
        help_text="The key by which the provider recognises a copy; empty if it recognises none",
    )
    finished_at = models.DateTimeField(null=True, blank=True)
    outcome = models.CharField(max_length=30, blank=True)
    event = models.CharField(max_length=100, blank=True)
    was_alone = models.BooleanField(
        default=False,
        help_text="No other capture, void or refund of the attempt was open when it was sent",
    )

    class Meta:
        ordering: ClassVar = ["started_at"]

    def __str__(self) -> str:
        return self.key
