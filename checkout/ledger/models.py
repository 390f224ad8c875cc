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
    posted_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["posting", "account"], name="a_posting_is_made_once")
        ]
        ordering: ClassVar = ["posted_at", "pk"]
        verbose_name_plural = "ledger entries"

    def __str__(self) -> str:
        return f"{self.account} {Money(self.amount_minor, self.currency)}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Insert; an entry that exists already is never changed."""
        kwargs["force_insert"] = True
        super().save(*args, **kwargs)
