"""Tables of the orders service."""

from typing import ClassVar

from django.db import models
from django.utils import timezone


class StockItem(models.Model):
    """An item that a merchant sells. ``quantity`` counts the pieces that are neither reserved nor sold.

    A merchant's payments are all live or all tests, so a test never takes stock from live shoppers.
    """

    merchant_code = models.SlugField()
    sku = models.CharField(max_length=50)
    name = models.CharField(max_length=200)
    price_minor = models.BigIntegerField()
    currency = models.CharField(max_length=3)
    quantity = models.PositiveIntegerField()

    class Meta:
        ordering: ClassVar = ["merchant_code", "sku"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["merchant_code", "sku"],
                name="orders_sku_of_a_merchant",
                violation_error_message="This merchant already has an item with this SKU.",
            )
        ]

    def __str__(self) -> str:
        return self.name


class Reservation(models.Model):
    """Stock reserved for a payment.

    It becomes confirmed if paid, released if not paid, cancelled if undone.
    """

    class State(models.TextChoices):
        RESERVED = "reserved"
        CONFIRMED = "confirmed"
        RELEASED = "released"
        CANCELLED = "cancelled"

    payment_reference = models.CharField(max_length=40, unique=True)
    merchant_code = models.CharField(max_length=50, blank=True, help_text="The owner of the reserved stock")
    attempt = models.CharField(
        max_length=64, blank=True, help_text="The try at paying that it was made for, by its order code"
    )
    lines = models.JSONField()
    was_reserved = models.BooleanField(
        default=False, help_text="It was made; otherwise only its release or cancellation has arrived"
    )
    state = models.CharField(max_length=10, choices=State.choices, default=State.RESERVED)
    created_at = models.DateTimeField(default=timezone.now)
    updated_at = models.DateTimeField(auto_now=True)

    def __str__(self) -> str:
        return f"{self.payment_reference}: {self.state}"
