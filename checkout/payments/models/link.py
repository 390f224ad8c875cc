"""The table of payment links."""

import secrets
from typing import ClassVar

from django.db import models
from django.utils import timezone

from checkout.money import Money
from checkout.payments.models.payment import Merchant
from checkout.references import new_reference

# Anybody who has a link can open it, so the number of its payments is limited.
MOST_OPENINGS = 10_000


def _link_reference() -> str:
    return new_reference("lnk")


def _token() -> str:
    return secrets.token_urlsafe(24)


class PaymentLink(models.Model):
    """An address that a merchant sends to shoppers. A shopper who opens it can pay its amount.

    A link that is not reusable has one payment, for the order ``order_reference``. For a reusable link,
    ``order_reference`` is the prefix of its order numbers, and no other link of the merchant may have it.
    """

    reference = models.CharField(max_length=40, unique=True, default=_link_reference, editable=False)
    token = models.CharField(max_length=40, unique=True, default=_token, editable=False)
    merchant = models.ForeignKey(Merchant, on_delete=models.PROTECT, related_name="links", db_index=False)
    order_reference = models.CharField(max_length=100)
    amount_minor = models.BigIntegerField()
    currency = models.CharField(max_length=3)
    description = models.CharField(max_length=50)
    return_url = models.CharField(max_length=500, blank=True)
    metadata = models.JSONField(default=dict, blank=True)
    max_quantity = models.PositiveSmallIntegerField(
        default=1, help_text="How many a shopper may buy at once, each for the amount"
    )
    least_minor = models.BigIntegerField(
        null=True, blank=True, help_text="The least that a shopper may choose to pay; none has one price"
    )
    most_minor = models.BigIntegerField(null=True, blank=True)
    asks_email = models.BooleanField(
        default=False, help_text="The shopper is asked for an e-mail address, for the receipt"
    )
    is_reusable = models.BooleanField(default=False)
    openings = models.PositiveIntegerField(default=0, help_text="The payments that it has made")
    last_number = models.PositiveIntegerField(
        default=0, editable=False, help_text="The number in the last order reference that it has tried"
    )
    expires_at = models.DateTimeField(null=True, blank=True)
    disabled_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        indexes: ClassVar = [
            models.Index(fields=["merchant", "-id"], name="links_of_merchant"),
            models.Index(fields=["order_reference"], name="links_by_order_number"),
        ]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["merchant", "order_reference"],
                condition=models.Q(is_reusable=True),
                name="a_reusable_link_has_its_numbers",
            )
        ]
        ordering: ClassVar = ["-id"]
        permissions: ClassVar = [("disable_paymentlink", "Can disable payment links")]

    def __str__(self) -> str:
        return self.reference

    @property
    def amount(self) -> Money:
        """The amount of each payment."""
        return Money(self.amount_minor, self.currency)

    @property
    def is_adjustable(self) -> bool:
        """True if shoppers choose the amount."""
        return self.most_minor is not None

    @property
    def state(self) -> str:
        """One of active, disabled, expired and used_up. Only an active link makes payments."""
        if self.disabled_at is not None:
            return "disabled"
        if self.expires_at is not None and self.expires_at <= timezone.now():
            return "expired"
        return "used_up" if self.is_reusable and self.openings >= MOST_OPENINGS else "active"
