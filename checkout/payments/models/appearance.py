"""The table of merchants' appearances: a merchant's name, logo and contacts on shoppers' pages."""

from typing import ClassVar

from django.core.validators import RegexValidator
from django.db import models

from checkout.languages import CHOICES
from checkout.payments.models.payment import Merchant


class Logo(models.Model):
    """The image of a merchant, under a name that changes with its content (``checkout.payments.logos``)."""

    name = models.CharField(max_length=70, primary_key=True)
    content = models.BinaryField()

    def __str__(self) -> str:
        return self.name


class Appearance(models.Model):
    """The look of a merchant on shoppers' pages, and its contacts.

    It has a table of its own, so that these columns, which only pages show, are not read with every payment.
    A merchant without a row looks like a row without values.
    """

    merchant = models.OneToOneField(Merchant, on_delete=models.CASCADE, related_name="appearance")
    default_language = models.CharField(
        max_length=5,
        blank=True,
        default="",
        choices=CHOICES,
        help_text="For shoppers of whom neither the payment nor the browser asks for one of our languages",
    )
    colour = models.CharField(
        max_length=7,
        blank=True,
        default="",
        validators=[RegexValidator(r"^#[0-9A-Fa-f]{6}\Z", "Write a colour as #0b5d4e.")],
        help_text="Of buttons and links, as #0b5d4e. It is made darker or lighter where it could not be read",
    )
    logo = models.ForeignKey(
        "Logo", on_delete=models.SET_NULL, null=True, blank=True, editable=False, related_name="+"
    )
    support_email = models.EmailField(blank=True, default="")
    support_phone = models.CharField(
        max_length=30,
        blank=True,
        default="",
        validators=[RegexValidator(r"^\+?[0-9 ()./-]+\Z", "Write a telephone number as +44 20 7946 0000.")],
    )
    terms_url = models.URLField(blank=True, default="", verbose_name="address of the terms")
    privacy_url = models.URLField(blank=True, default="", verbose_name="address of the privacy notice")

    class Meta:
        ordering: ClassVar = ["merchant__name"]

    def __str__(self) -> str:
        return f"Appearance of {self.merchant}"


def appearance_of(merchant: Merchant) -> Appearance:
    """Return the appearance of a merchant, or an empty one."""
    try:
        return merchant.appearance
    except Appearance.DoesNotExist:
        return Appearance(merchant=merchant)
