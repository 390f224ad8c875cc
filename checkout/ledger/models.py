"""Tables of the ledger service: double entry, append-only."""

from typing import Any, ClassVar

from django.db import models
from django.utils import timezone

from checkout.money import Money


class LedgerEntry(models.Model):
    """One side of a posting. The entries of one posting add up to zero; debits are positive."""

    posting = models.CharField(max_length=120, help_text="What makes posting twice harmless")
    account = models.CharField(max_length=60)
    payment_reference = models.CharField(max_length=40, db_index=True)
    amount_minor = models.BigIntegerField()
    currency = models.CharField(max_length=3)
    merchant_code = models.CharField("merchant", max_length=50, default="")
    posted_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["posting", "account"], name="a_posting_is_made_once")
        ]
        indexes: ClassVar = [
            models.Index(fields=["posted_at"], name="ledger_entry_by_time"),
            models.Index(fields=["merchant_code", "id"], name="ledger_entry_by_merchant"),
        ]
        ordering: ClassVar = ["posted_at", "pk"]
        verbose_name_plural = "ledger entries"

    def __str__(self) -> str:
        return f"{self.account} {Money(self.amount_minor, self.currency)}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Insert the entry. Raises an error for an existing entry, which must never change."""
        kwargs["force_insert"] = True
        super().save(*args, **kwargs)


class DailyTotal(models.Model):
    """The postings of one kind, merchant and currency on one day, which begins at midnight UTC.

    The sum of all days is a balance. Unlike entries, totals are counted again when a posting is added to
    their day (``daily_totals.py``). The permission to view entries applies to them.
    """

    day = models.DateField()
    merchant_code = models.CharField("merchant", max_length=50)
    currency = models.CharField(max_length=3)
    kind = models.CharField(max_length=30)
    postings = models.PositiveIntegerField()
    minor = models.BigIntegerField(help_text="The sum of the amounts, in minor units; never negative")

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["day", "merchant_code", "currency", "kind"], name="a_day_has_one_total_of_each_kind"
            )
        ]
        ordering: ClassVar = ["-day", "merchant_code", "currency", "kind"]
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.kind} on {self.day}: {Money(self.minor, self.currency)}"
