"""The table of the audit log. It is in the default database, like most rows that its entries are about.

An entry has the names of users, merchants and rows, and no foreign keys, because it outlives them.
"""

from typing import Any, ClassVar

from django.db import models


class AuditEntry(models.Model):
    """One action of a member of staff, or a failed attempt to log in.

    The primary key is the position in the chain, from 1 on without gaps. ``digest`` is made from the columns
    and the digest of the previous entry, so that changed or missing entries are noticed. It includes only the
    digest of the details, so that these can be erased at a shopper's request.
    """

    id = models.BigIntegerField("number", primary_key=True)
    at = models.DateTimeField("when", db_index=True)
    by = models.CharField(max_length=150, blank=True, help_text="The user's name; empty for a stranger")
    by_user = models.BigIntegerField(null=True, help_text="The user's key, which is never given again")
    origin = models.CharField("from", max_length=60, help_text="The network address, or the command line")
    action = models.CharField(max_length=60)
    what = models.CharField(max_length=300)
    table = models.CharField(max_length=60, blank=True, help_text="As application.model")
    row = models.CharField(max_length=64, blank=True, help_text="The key of the row in the table")
    name = models.CharField("object", max_length=200, blank=True)
    merchant = models.CharField(max_length=50, blank=True, help_text="The code of the row's merchant")
    payment = models.CharField(max_length=40, blank=True, help_text="The reference of the row's payment")
    details = models.TextField(blank=True, help_text="JSON: the values before and after, and the reason")
    details_digest = models.CharField(max_length=64)
    previous = models.CharField(max_length=64, blank=True, help_text="The digest of the entry before")
    digest = models.CharField(max_length=64)

    class Meta:
        ordering: ClassVar = ["-id"]
        verbose_name = "audit log entry"
        verbose_name_plural = "audit log entries"
        indexes: ClassVar = [
            models.Index(fields=["by_user", "-at"], name="audit_by_user"),
            models.Index(fields=["by", "-id"], name="audit_by_name"),
            models.Index(fields=["table", "row"], name="audit_by_row"),
            models.Index(fields=["merchant", "-id"], name="audit_by_merchant"),
            models.Index(fields=["payment"], name="audit_by_payment"),
            models.Index(fields=["name"], name="audit_by_object"),
        ]

    def __str__(self) -> str:
        return f"{self.id}: {self.what}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Insert the entry. Raises an error for an existing entry, which must never change."""
        kwargs["force_insert"] = True
        super().save(*args, **kwargs)
