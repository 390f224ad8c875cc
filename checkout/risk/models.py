"""Tables of the risk service."""

from typing import ClassVar

from django.db import models
from django.utils import timezone


class RiskAssessment(models.Model):
    """One decision. Decisions are stored to count attempts and to explain rejections."""

    payment_reference = models.CharField(max_length=40, db_index=True)
    email_hash = models.CharField(max_length=64, blank=True)
    ip_address = models.GenericIPAddressField(null=True, blank=True)
    amount_minor = models.BigIntegerField()
    currency = models.CharField(max_length=3)
    decision = models.CharField(max_length=10)
    reasons = models.JSONField(default=list)
    assessed_at = models.DateTimeField(default=timezone.now)

    class Meta:
        indexes: ClassVar = [
            models.Index(fields=["email_hash", "assessed_at"]),
            models.Index(fields=["ip_address", "assessed_at"]),
        ]
        ordering: ClassVar = ["-assessed_at"]

    def __str__(self) -> str:
        return f"{self.payment_reference}: {self.decision}"


class BlockedValue(models.Model):
    """An e-mail address or IP address from which no payment is accepted."""

    class Kind(models.TextChoices):
        EMAIL = "email"
        IP_ADDRESS = "ip_address"

    kind = models.CharField(max_length=12, choices=Kind.choices)
    value = models.CharField(max_length=254)
    reason = models.CharField(max_length=200, blank=True)
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["kind", "value"], name="a_value_is_blocked_once")
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.value}"
