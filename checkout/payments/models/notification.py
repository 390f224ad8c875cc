"""The table of providers' notifications."""

from hashlib import sha256
from typing import ClassVar
from uuid import UUID

from django.db import models
from django.utils import timezone

from checkout.payments.models.payment import Payment, ProviderAccount
from checkout.payments.models.staff_handling import StaffHandling
from checkout.privacy.scrubbing import REASON_LENGTH


class ProviderNotification(StaffHandling):
    """A notification, which is stored before it is acknowledged, with its statements and its body.

    The statements are read from the original body. The stored body is masked, and is for staff.
    """

    # The characters that are stored of a body that is too large, or of a hint that cannot be used.
    EXCERPT = 4_096

    class State(models.TextChoices):
        RECEIVED = "received"
        APPLIED = "applied"
        UNMATCHED = "unmatched"
        CONFLICTED = "conflicted"
        UNREADABLE = "unreadable"

    account = models.ForeignKey(ProviderAccount, on_delete=models.PROTECT, related_name="notifications")
    digest = models.CharField(max_length=64, help_text="SHA-256 of the body as received")
    body = models.TextField(help_text="As received, with masks, for people")
    statements = models.JSONField(
        null=True,
        blank=True,
        editable=False,
        help_text="The statements in the body as it came; none if it could not be read",
    )
    is_proven = models.BooleanField(
        default=False,
        help_text="Sent over a channel that only the provider can use; otherwise it is a hint",
    )
    state = models.CharField(max_length=12, choices=State.choices, default=State.RECEIVED)
    copies = models.PositiveIntegerField(default=1)
    payment = models.ForeignKey(
        Payment, on_delete=models.PROTECT, null=True, blank=True, related_name="notifications"
    )
    received_at = models.DateTimeField(default=timezone.now)
    applied_at = models.DateTimeField(null=True, blank=True)
    reason = models.CharField(max_length=REASON_LENGTH, blank=True, help_text="Why it was not simply applied")
    tries = models.PositiveSmallIntegerField(default=0)
    next_try_at = models.DateTimeField(
        null=True, blank=True, help_text="When it is looked at again, if it was not looked at or not matched"
    )

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["account", "digest"], name="a_notification_is_stored_once")
        ]
        indexes: ClassVar = [
            models.Index(
                fields=["next_try_at"],
                name="notifications_to_try_again",
                condition=models.Q(next_try_at__isnull=False),
            ),
            models.Index(
                fields=["state", "payment"],
                name="notifications_for_staff",
                condition=models.Q(state__in=["unmatched", "conflicted", "unreadable"]),
            ),
        ]
        ordering: ClassVar = ["-received_at"]
        permissions: ClassVar = [
            ("deal_with_providernotification", "Can mark a notification as dealt with"),
        ]

    @property
    def command_id(self) -> str:
        """The message id of the command to apply this notification; empty if no command is owed.

        All processes that may send the command use this id. It is a UUID of version 7, like all message ids,
        with the milliseconds of ``next_try_at``.
        """
        if self.next_try_at is None:
            return ""
        moment = round(self.next_try_at.timestamp() * 1_000_000)
        random = int.from_bytes(sha256(f"{self.pk} {moment}".encode()).digest()[:10])
        number = (moment // 1000) << 80 | random & ~(0xF << 76 | 0b11 << 62) | 0x7 << 76 | 0b10 << 62
        return str(UUID(int=number))

    def __str__(self) -> str:
        return f"Notification {self.pk} of {self.received_at:%Y-%m-%d %H:%M:%S} UTC"
