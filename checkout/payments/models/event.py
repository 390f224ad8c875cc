"""The table of events, which report all changes of payments to merchants' programs, in their order."""

from typing import Any, ClassVar

from django.db import models
from django.utils import timezone

from checkout.payments.models.payment import Merchant, Payment
from checkout.references import new_reference


def _event_reference() -> str:
    return new_reference("evt")


class Event(models.Model):
    """One change of a payment, an attempt or an operation, written in the transaction that made it.

    ``sequence`` numbers the events of one payment from 1 without a gap. ``data`` has the object after the
    change, ``changes`` the earlier values of the changed fields. Events are not changed until they are
    deleted (``timers.retention``), or personal data is erased (``actions.staff.erasure``).
    """

    reference = models.CharField(max_length=40, unique=True, default=_event_reference, editable=False)
    # The merchant of the payment. The database does not check this key: each check would lock the merchant's
    # row, which all of its payments share.
    merchant = models.ForeignKey(
        Merchant, on_delete=models.PROTECT, related_name="events", db_index=False, db_constraint=False
    )
    payment = models.ForeignKey(Payment, on_delete=models.PROTECT, related_name="events", db_index=False)
    operation = models.CharField(
        max_length=40, blank=True, help_text="The reference of the operation, if any"
    )
    type = models.CharField(max_length=40)
    sequence = models.PositiveIntegerField()
    data = models.JSONField()
    changes = models.JSONField(default=dict, blank=True)
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints: ClassVar = [
            # The index of this constraint also finds the events of a payment, and the latest of them.
            models.UniqueConstraint(fields=["payment", "sequence"], name="events_of_a_payment_are_numbered")
        ]
        indexes: ClassVar = [
            models.Index(fields=["merchant", "-id"], name="events_of_merchant"),
            models.Index(fields=["merchant", "type", "-id"], name="events_by_type"),
        ]
        ordering: ClassVar = ["-id"]

    def __str__(self) -> str:
        return f"{self.type} {self.reference}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Insert the event. An existing event is never changed."""
        kwargs["force_insert"] = True
        super().save(*args, **kwargs)


class EventPosition(models.Model):
    """The position up to which events have been published. There is one row.

    ``under_way`` has smaller keys without an event, because their transactions may still commit. Each has the
    time at which it was found missing, in seconds of the database's clock, and the next transaction at that
    time. Until ``leased_until``, the relay with the lease publishes the next events. ``version`` counts the
    leases.
    """

    last_pk = models.BigIntegerField(default=0)
    under_way = models.JSONField(default=dict)
    leased_until = models.DateTimeField(null=True)
    version = models.PositiveBigIntegerField(default=0)

    def __str__(self) -> str:
        return str(self.last_pk)
