"""Tables of the defence against card testing: strangers try lists of stolen cards at a shop."""

from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.utils import timezone

from checkout.payments.models.payment import Attempt, Merchant

DECLINED, APPROVED = Q(is_declined=True), Q(is_declined=False)


class CardTrial(models.Model):
    """One card that was tried, and its result. Rows are deleted after ``conf.retention``.

    ``client`` and ``email`` are keyed hashes (``checkout.privacy.pseudonyms``), and empty if the client or
    address is not known.
    """

    attempt = models.OneToOneField(Attempt, on_delete=models.CASCADE, related_name="trial")
    merchant = models.ForeignKey(Merchant, on_delete=models.CASCADE, db_index=False, related_name="+")
    client = models.CharField(max_length=64, blank=True)
    email = models.CharField(max_length=64, blank=True)
    is_declined = models.BooleanField()
    answered_at = models.DateTimeField(default=timezone.now)

    class Meta:
        indexes: ClassVar = [
            models.Index(fields=["client", "answered_at"], name="declines_of_a_client", condition=DECLINED),
            models.Index(fields=["email", "answered_at"], name="declines_of_an_email", condition=DECLINED),
            models.Index(
                fields=["merchant", "answered_at"], name="declines_of_a_merchant", condition=DECLINED
            ),
            models.Index(fields=["client"], name="clients_that_have_paid", condition=APPROVED),
        ]

    def __str__(self) -> str:
        return f"{self.attempt_id}: {'declined' if self.is_declined else 'approved'}"


class AttackModeChange(models.Model):
    """One change of a merchant's attack mode. ``by`` is empty if declines have caused it."""

    merchant = models.ForeignKey(Merchant, on_delete=models.PROTECT, related_name="attack_mode_changes")
    mode = models.CharField(max_length=10, choices=Merchant.AttackMode.choices)
    by = models.CharField(max_length=150, blank=True)
    reason = models.CharField(max_length=200)
    changed_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering: ClassVar = ["-changed_at", "-pk"]

    def __str__(self) -> str:
        return f"{self.mode} {self.changed_at:%Y-%m-%d %H:%M:%S}"
