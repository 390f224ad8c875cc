"""The tables of durable flows: one row for each saga, and one row for each command that it sent."""

from datetime import datetime
from typing import ClassVar

from django.db import models
from django.db.models import Exists, OuterRef, QuerySet
from django.utils import timezone

from checkout.payments.models.payment import Attempt, Operation, Payment


class Saga(models.Model):
    """The state of one flow. Only the orchestrator changes it, with the row locked."""

    class Status(models.TextChoices):
        RUNNING = "running"
        COMPLETED = "completed"
        COMPENSATED = "compensated"
        PARKED = "parked"

    kind = models.CharField(max_length=30)
    key = models.CharField(max_length=100, help_text="What makes starting it twice harmless")
    payment = models.ForeignKey(Payment, on_delete=models.PROTECT, related_name="sagas")
    attempt = models.ForeignKey(Attempt, on_delete=models.PROTECT, related_name="sagas")
    parent = models.ForeignKey(
        "self",
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="children",
        help_text="The saga that started this one and hears how it goes",
    )
    step = models.CharField(max_length=50)
    status = models.CharField(max_length=12, choices=Status.choices, default=Status.RUNNING)
    data = models.JSONField(default=dict)
    awaiting = models.CharField(
        max_length=120, blank=True, help_text="Correlation id of the one reply that moves it on"
    )
    deadline_at = models.DateTimeField(null=True, blank=True)
    look_at = models.DateTimeField(
        null=True, blank=True, editable=False, help_text="When the timer looks at the deadline"
    )
    version = models.PositiveIntegerField(default=0)
    created_at = models.DateTimeField(default=timezone.now)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["kind", "key"], name="a_saga_starts_once"),
            models.CheckConstraint(
                condition=models.Q(deadline_at=None)
                | models.Q(look_at__isnull=False, look_at__lte=models.F("deadline_at")),
                name="deadlines_are_looked_at",
            ),
        ]
        indexes: ClassVar = [
            # The timer looks at running sagas only. An index with a condition on ``status`` would not be
            # used, because PostgreSQL plans a prepared statement for any status.
            models.Index(
                fields=["look_at"], name="sagas_to_look_at", condition=models.Q(look_at__isnull=False)
            ),
            # For the counts of the back office. PostgreSQL plans their statements for their own values,
            # because a plan for any status would cost much more.
            models.Index(fields=["payment"], name="sagas_parked", condition=models.Q(status="parked")),
        ]
        ordering: ClassVar = ["-created_at"]
        permissions: ClassVar = [("resume_saga", "Can let a parked saga try again")]

    def __str__(self) -> str:
        return f"{self.kind} {self.key}"

    def wait_until(self, deadline: datetime | None) -> None:
        """Set the deadline, after the status, without saving.

        The time at which the timer looks stays the same if it is early enough, as it is at most steps: a row
        whose indexed columns stay the same needs no new index entry. When the timer looks, it finds that
        nothing is due yet.
        """
        self.deadline_at = deadline
        if self.status != self.Status.RUNNING:
            self.look_at = None
        elif deadline is not None and (self.look_at is None or deadline < self.look_at):
            self.look_at = deadline


# The kind of the saga that asks the provider about events that our books do not explain.
ASKING = "asking"
# The states of sagas that have not ended. A parked saga continues when staff resume it.
UNFINISHED = (Saga.Status.RUNNING, Saga.Status.PARKED)


def operations_without_saga(operations: QuerySet[Operation], sagas: QuerySet[Saga]) -> QuerySet[Operation]:
    """Return the operations that are not refused and that none of these sagas carries out."""
    carried_out = Exists(sagas.filter(kind=OuterRef("kind"), key=OuterRef("reference")))
    return operations.filter(~carried_out).exclude(state=Operation.State.REFUSED)


class Waiter(models.Model):
    """A caller that waits until a payment or one of its operations has a state to report.

    Rows are written and deleted with the payment locked, so that a waiter that is added while replies are
    sent is not missed.
    """

    payment = models.ForeignKey(Payment, on_delete=models.CASCADE, related_name="waiters")
    operation = models.CharField(
        max_length=40, blank=True, help_text="The operation's reference, if it waits for one"
    )
    reply_to = models.CharField(max_length=255)
    correlation_id = models.CharField(max_length=120)
    created_at = models.DateTimeField(default=timezone.now)
    ends_at = models.DateTimeField(help_text="The end of the wait")

    def __str__(self) -> str:
        return f"{self.reply_to} {self.correlation_id}"


class SagaStep(models.Model):
    """One command of a saga, and a summary of its reply."""

    saga = models.ForeignKey(Saga, on_delete=models.CASCADE, related_name="steps")
    name = models.CharField(max_length=50)
    command = models.CharField(max_length=60)
    correlation_id = models.CharField(max_length=120, unique=True)
    body_sha256 = models.CharField(max_length=64)
    sent_at = models.DateTimeField(default=timezone.now)
    replied_at = models.DateTimeField(null=True, blank=True)
    outcome = models.CharField(max_length=60, blank=True)

    class Meta:
        ordering: ClassVar = ["sent_at", "pk"]

    def __str__(self) -> str:
        return self.name
