"""Tables of the notifications service: what is sent to shoppers."""

from typing import ClassVar

from django.db import models
from django.utils import timezone


class Receipt(models.Model):
    """A receipt e-mail: recorded before it is sent."""

    payment_reference = models.CharField(max_length=40, unique=True)
    email = models.EmailField()
    merchant = models.CharField(max_length=200)
    order_reference = models.CharField(max_length=100)
    description = models.CharField(max_length=50, blank=True)
    amount_minor = models.BigIntegerField()
    currency = models.CharField(max_length=3)
    is_reserved = models.BooleanField(default=False)
    is_test = models.BooleanField(default=False)
    created_at = models.DateTimeField(default=timezone.now)
    sent_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering: ClassVar = ["-created_at"]

    def __str__(self) -> str:
        return self.payment_reference
