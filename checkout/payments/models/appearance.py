"""The table of merchants' appearances: what shoppers see of a merchant."""

from django.db import models

from checkout.languages import CHOICES
from checkout.payments.models.payment import Merchant


class Appearance(models.Model):
    """The look and the language of a merchant, as shoppers see them on pages and in receipts.

    It has a table of its own, so that what only pages show is not read with every payment.
    """

    merchant = models.OneToOneField(Merchant, on_delete=models.CASCADE, related_name="appearance")
    default_language = models.CharField(
        max_length=5,
        blank=True,
        default="",
        choices=CHOICES,
        help_text="For shoppers of whom neither the payment nor the browser asks for one of our languages",
    )

    def __str__(self) -> str:
        return f"Appearance of {self.merchant}"
