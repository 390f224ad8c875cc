"""Payments with a known dispute. Their charge-backs are operations, and claims of charge-backs are questions.

The reason and time limit of a dispute, and the files to answer it with, have tables of their own.
"""

from typing import ClassVar

from django.db import models
from django.utils import timezone

from checkout.payments.models.payment import Payment
from checkout.references import new_reference


class Dispute(Payment):
    """A payment with a charge-back, a claim of one, or an issuer's request for information."""

    class Meta:
        proxy = True
        # The permission to view payments covers disputes, too.
        default_permissions = ()
        permissions: ClassVar = [("handle_dispute", "Can record the reason of disputes, and add evidence")]
        ordering: ClassVar = ["-created_at"]


class DisputeRecord(models.Model):
    """The reason and the time limit of a payment's dispute, as the provider's portal shows them.

    ``deadline`` is the last day on which the provider takes an answer.
    """

    payment = models.OneToOneField(
        Payment, on_delete=models.CASCADE, primary_key=True, related_name="dispute_record"
    )
    reason_code = models.CharField(max_length=10, blank=True)
    deadline = models.DateField(null=True, blank=True)
    is_answered = models.BooleanField(default=False)
    told_by = models.CharField(max_length=150)
    told_at = models.DateTimeField(default=timezone.now)

    def __str__(self) -> str:
        return self.reason_code or "no reason"


def _evidence_reference() -> str:
    return new_reference("evd")


class Evidence(models.Model):
    """A file with which a dispute is answered. Its content has its own table, which lists never read."""

    reference = models.CharField(max_length=40, unique=True, default=_evidence_reference, editable=False)
    payment = models.ForeignKey(Payment, on_delete=models.CASCADE, related_name="evidence")
    name = models.CharField(max_length=100)
    media_type = models.CharField(max_length=40)
    size = models.PositiveIntegerField(help_text="Bytes")
    digest = models.CharField(max_length=64, help_text="SHA-256 of the content, in hexadecimal")
    description = models.CharField(max_length=200, blank=True)
    added_by = models.CharField(max_length=150)
    added_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering: ClassVar = ["pk"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["payment", "digest"], name="a_file_is_evidence_once")
        ]

    def __str__(self) -> str:
        return self.name


class EvidenceContent(models.Model):
    """The content of a file."""

    evidence = models.OneToOneField(
        Evidence, on_delete=models.CASCADE, primary_key=True, related_name="content"
    )
    content = models.BinaryField()

    def __str__(self) -> str:
        return f"content of {self.evidence_id}"
