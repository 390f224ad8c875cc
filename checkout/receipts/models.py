"""The table of the notifications service: receipts that were sent, or are to be sent."""

from typing import ClassVar

from django.db import models
from django.utils import timezone


class Receipt(models.Model):
    """A receipt, recorded before its e-mail is sent.

    While it has a ``next_try_at``, it is still to be sent.
    """

    payment_reference = models.CharField(max_length=40)
    refund = models.CharField(
        max_length=40, blank=True, default="", help_text="Of what refund it tells; blank for the payment"
    )
    email = models.EmailField()
    merchant = models.CharField(max_length=200)
    order_reference = models.CharField(max_length=100)
    description = models.CharField(max_length=50, blank=True)
    amount_minor = models.BigIntegerField()
    currency = models.CharField(max_length=3)
    locale = models.CharField(max_length=35, blank=True, default="")
    minutes_behind_utc = models.SmallIntegerField(null=True, blank=True)
    lines = models.JSONField(default=list, blank=True, help_text="What was ordered: sku and quantity")
    card_brand = models.CharField(max_length=40, blank=True, default="")
    card_last4 = models.CharField(max_length=4, blank=True, default="")
    support_email = models.CharField(max_length=254, blank=True, default="")
    support_phone = models.CharField(max_length=30, blank=True, default="")
    logo_url = models.CharField(max_length=600, blank=True, default="")
    is_reserved = models.BooleanField(default=False)
    is_test = models.BooleanField(default=False)
    created_at = models.DateTimeField(default=timezone.now)
    sent_at = models.DateTimeField(null=True, blank=True)
    next_try_at = models.DateTimeField(null=True, blank=True)
    failures = models.PositiveSmallIntegerField(default=0)
    resendings = models.PositiveSmallIntegerField(
        default=0, help_text="How often it was sent again on request"
    )

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["payment_reference", "refund"], name="one_receipt_each")
        ]
        permissions: ClassVar = [("resend_receipt", "Can send receipts again")]
        ordering: ClassVar = ["-created_at"]
        indexes: ClassVar = [
            models.Index(
                fields=["next_try_at"], condition=models.Q(next_try_at__isnull=False), name="receipt_owed"
            )
        ]

    def __str__(self) -> str:
        return f"{self.payment_reference} {self.refund}".strip()
