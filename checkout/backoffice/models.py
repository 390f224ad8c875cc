"""The tables of the back office itself. They are in the default database, as Django's users are."""

from django.db import models

from checkout.backoffice.log_in.second_factor.models import AuthenticatorApp, RecoveryCodes

__all__ = ["AuthenticatorApp", "MerchantAccess", "Preferences", "RecoveryCodes"]


class MerchantAccess(models.Model):
    """The merchants whose data a member of staff sees. Without a row, only superusers see data."""

    user = models.OneToOneField(
        "auth.User", on_delete=models.CASCADE, primary_key=True, related_name="merchant_access"
    )
    is_unlimited = models.BooleanField(
        "all merchants", default=False, help_text="Also those that are added later, and what belongs to none"
    )
    merchants = models.JSONField(default=list, blank=True, help_text="The codes of the merchants")

    class Meta:
        verbose_name_plural = "merchant access"

    def __str__(self) -> str:
        return "all merchants" if self.is_unlimited else ", ".join(self.merchants) or "no merchant"


class Preferences(models.Model):
    """The time zone of a member of staff, and the language whose formats of dates and amounts are used.

    Without a row, these are UTC and English.
    """

    user = models.OneToOneField(
        "auth.User", on_delete=models.CASCADE, primary_key=True, related_name="preferences"
    )
    zone = models.CharField(max_length=64, blank=True)
    formats = models.CharField(max_length=8, blank=True)
