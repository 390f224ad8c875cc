"""Where our books and a provider's differ."""

from typing import ClassVar

from django.db import models
from django.utils import timezone

from checkout.models.payment import Payment, ProviderAccount


class Difference(models.Model):
    """One sum of one order that the provider's books and ours disagree on, in minor units.

    Found by reconciliation; ``resolved_at`` is set when a later one finds the books in agreement again.
    """

    account = models.ForeignKey(ProviderAccount, on_delete=models.PROTECT, related_name="differences")
    payment = models.ForeignKey(
        Payment, on_delete=models.PROTECT, null=True, blank=True, related_name="differences"
    )
    order_code = models.CharField(max_length=64)
    kind = models.CharField(max_length=30, help_text="What differs: authorised, captured, refunded, order")
    currency = models.CharField(max_length=3, blank=True)
    ours_minor = models.BigIntegerField(default=0)
    theirs_minor = models.BigIntegerField(default=0)
    found_at = models.DateTimeField(default=timezone.now)
    last_seen_at = models.DateTimeField(default=timezone.now)
    resolved_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["account", "order_code", "kind"],
                condition=models.Q(resolved_at__isnull=True),
                name="a_difference_is_open_once",
            )
        ]
        ordering: ClassVar = ["-found_at"]

    def __str__(self) -> str:
        return f"{self.order_code} {self.kind}: {self.ours_minor} / {self.theirs_minor}"
