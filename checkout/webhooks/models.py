"""Tables of webhooks: the merchants' endpoints, their deliveries, and a log of every attempt."""

from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.utils import timezone

from checkout.references import new_reference


def _endpoint_reference() -> str:
    return new_reference("whk")


def _delivery_reference() -> str:
    return new_reference("dlv")


class WebhookEndpoint(models.Model):
    """An address of a merchant's program, its subscribed types of events, and its health.

    ``last_event_before_it`` and ``last_event_before_state`` are keys of the payments' events: the last event
    before the endpoint was created, and the last event before it was enabled or disabled.
    ``events_under_way`` are smaller keys whose events were not committed then. Such an event belongs to the
    present state if it is committed later.

    ``failing_since`` and ``failures`` describe the failed attempts since the last success. Attempts that were
    under way when a pause began do not count. Until ``paused_until`` nothing is sent, because the endpoint
    has asked for a pause, or has failed too often.

    A deleted endpoint is visible to staff only, until the log of its deliveries is old.
    """

    class State(models.TextChoices):
        ENABLED = "enabled"
        DISABLED = "disabled"
        DELETED = "deleted"

    class Payload(models.TextChoices):
        FULL = "full", "full: the object and its changes"
        THIN = "thin", "thin: only the event's type and references"

    class Notice(models.TextChoices):
        NONE = "", "none"
        FAILING = "failing"
        DISABLED = "disabled"

    reference = models.CharField(max_length=40, unique=True, default=_endpoint_reference, editable=False)
    merchant = models.CharField(max_length=50, db_index=True, help_text="The merchant's code")
    url = models.CharField(max_length=500)
    description = models.CharField(max_length=200, blank=True)
    contact_email = models.EmailField(
        blank=True,
        help_text="The address for a warning before the endpoint is disabled, beside the operators",
    )
    event_types = models.JSONField(default=list, blank=True, help_text="An empty list stands for all types")
    payload = models.CharField(max_length=4, choices=Payload.choices, default=Payload.FULL)
    api_version = models.CharField(
        "API version", max_length=20, help_text="The API version of the events that are sent"
    )
    state = models.CharField(max_length=10, choices=State.choices, default=State.ENABLED)
    state_reason = models.CharField(max_length=200, blank=True, help_text="The reason for the state")
    state_since = models.DateTimeField(default=timezone.now)
    last_event_before_it = models.BigIntegerField(default=0, editable=False)
    last_event_before_state = models.BigIntegerField(default=0, editable=False)
    events_under_way = models.JSONField(default=list, blank=True, editable=False)
    failures = models.PositiveIntegerField(default=0)
    failing_since = models.DateTimeField(null=True, blank=True)
    paused_until = models.DateTimeField(null=True, blank=True)
    warned_at = models.DateTimeField(null=True, blank=True)
    owed_notice = models.CharField(max_length=10, choices=Notice.choices, default=Notice.NONE, blank=True)
    notice_after = models.DateTimeField(null=True, blank=True, editable=False)
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering: ClassVar = ["-created_at"]
        permissions: ClassVar = [
            ("ping_webhookendpoint", "Can send test events to webhook endpoints"),
            ("enable_webhookendpoint", "Can enable webhook endpoints"),
            ("disable_webhookendpoint", "Can disable webhook endpoints"),
            ("rotate_webhookendpoint", "Can make new secrets of webhook endpoints"),
            ("resend_webhookendpoint", "Can send the events of a whole day to a webhook endpoint again"),
        ]

    def __str__(self) -> str:
        return self.reference

    @property
    def is_enabled(self) -> bool:
        """False if the merchant, staff or the gateway has disabled or deleted the endpoint."""
        return self.state == self.State.ENABLED

    def wants(self, event_type: str) -> bool:
        """Return True if the endpoint is subscribed to events of this type."""
        return not self.event_types or event_type in self.event_types


class SigningSecret(models.Model):
    """A pair of keys of an endpoint, encrypted.

    During a rotation an endpoint has several pairs, and all sign.
    """

    endpoint = models.ForeignKey(WebhookEndpoint, on_delete=models.CASCADE, related_name="secrets")
    sealed_hmac = models.CharField(max_length=300)
    sealed_private_key = models.CharField(max_length=300)
    public_key = models.CharField(max_length=60, help_text="The key that verifies v1a signatures")
    created_at = models.DateTimeField(default=timezone.now)
    expires_at = models.DateTimeField(
        null=True, blank=True, help_text="The end of the overlap with a newer secret"
    )

    class Meta:
        # The newest is not chosen by time, because the clocks of the hosts that made the secrets may differ.
        ordering: ClassVar = ["-pk"]


class Delivery(models.Model):
    """The delivery of an event to an endpoint. ``event`` is the message's id, the same for every attempt.

    A sender leases a delivery in a transaction of its own, which sets ``lease`` and moves ``next_try_at`` to
    the end of the lease. If the sender dies, the delivery is due again after the lease. ``content`` is the
    body of a test event, which has no row among the payments' events.
    """

    class State(models.TextChoices):
        PENDING = "pending"
        DELIVERED = "delivered"
        FAILED = "failed", "given up"

    reference = models.CharField(max_length=40, unique=True, default=_delivery_reference, editable=False)
    endpoint = models.ForeignKey(WebhookEndpoint, on_delete=models.CASCADE, related_name="deliveries")
    event = models.CharField(max_length=40)
    event_type = models.CharField(max_length=60)
    payment = models.CharField(max_length=40, blank=True, db_index=True)
    content = models.JSONField(null=True, blank=True)
    state = models.CharField(max_length=10, choices=State.choices, default=State.PENDING)
    tries = models.PositiveSmallIntegerField(default=0)
    next_try_at = models.DateTimeField(null=True, blank=True)
    lease = models.CharField(max_length=32, blank=True)
    last_result = models.CharField(max_length=60, blank=True)
    created_at = models.DateTimeField(default=timezone.now)
    ended_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name_plural = "deliveries"
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["endpoint", "event"], name="an_event_is_owed_once")
        ]
        indexes: ClassVar = [
            # Only a pending delivery has a next try. An index with a condition on ``state`` would not be
            # used, because PostgreSQL plans a prepared statement for any state.
            models.Index(
                fields=["endpoint", "next_try_at"],
                name="deliveries_by_next_try",
                condition=Q(next_try_at__isnull=False),
            ),
            models.Index(fields=["endpoint", "-created_at"], name="deliveries_by_endpoint"),
            models.Index(fields=["event"], name="deliveries_by_event"),
            models.Index(fields=["ended_at"], name="deliveries_by_end"),
        ]
        ordering: ClassVar = ["-created_at", "-pk"]
        permissions: ClassVar = [("resend_delivery", "Can send webhooks again")]

    def __str__(self) -> str:
        return self.reference


class DeliveryAttempt(models.Model):
    """One attempt at a delivery: the status or the kind of error, and the beginning of the response."""

    EXCERPT = 500

    delivery = models.ForeignKey(Delivery, on_delete=models.CASCADE, related_name="attempts")
    at = models.DateTimeField()
    url = models.CharField(max_length=500)
    status = models.PositiveSmallIntegerField(null=True, blank=True)
    error = models.CharField(max_length=30, blank=True)
    detail = models.CharField(max_length=200, blank=True)
    duration_ms = models.PositiveIntegerField(default=0)
    response = models.TextField(blank=True, help_text="The beginning of the response, scrubbed")

    class Meta:
        ordering: ClassVar = ["-at", "-pk"]

    def __str__(self) -> str:
        return f"{self.status or self.error} at {self.at:%Y-%m-%d %H:%M:%S} UTC"


class SweepCursor(models.Model):
    """The position up to which the payments' events were compared with the deliveries. There is one row.

    Events after it, up to ``seen_pk``, were seen at ``seen_at`` by the database's clock. They are compared
    when they are old enough.
    """

    event_pk = models.BigIntegerField(default=0)
    seen_pk = models.BigIntegerField(default=0)
    seen_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        db_table = "webhooks_sweepmark"

    def __str__(self) -> str:
        return str(self.event_pk)
