"""The API's own tables: keys, answers by idempotency key, and the counts of requests.

They are in the database of the payments app, because an answer is written in the transaction of the payment.
Merchants are stored by code, because an app has no foreign key to the tables of another app.
"""

from typing import ClassVar

from django.db import models
from django.utils import timezone


class ApiKey(models.Model):
    """A secret of a merchant's program. Only the SHA-256 of the secret is stored.

    The secret has 190 random bits, so a slow hash would add nothing.
    """

    merchant = models.SlugField(help_text="The code of the merchant whose payments the key is for")
    name = models.CharField(max_length=100, help_text="The program that has the key")
    prefix = models.CharField(max_length=20, editable=False, help_text="The beginning of the secret")
    secret_hash = models.CharField(max_length=64, unique=True, editable=False)
    is_live = models.BooleanField(default=False, editable=False)
    scopes = models.JSONField(default=list, help_text="The actions that are permitted")
    networks = models.JSONField(
        default=list, blank=True, help_text="The networks that may use the key; empty for any"
    )
    api_version = models.CharField(max_length=10, editable=False)
    expires_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True, editable=False)
    last_used_at = models.DateTimeField(null=True, blank=True, editable=False)
    replaces = models.ForeignKey(
        "self", on_delete=models.PROTECT, null=True, blank=True, editable=False, related_name="successors"
    )
    created_by = models.CharField(max_length=150, editable=False)
    form_key = models.UUIDField(
        null=True, unique=True, editable=False, help_text="The id of the form that made the key"
    )
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        verbose_name = "API key"
        ordering: ClassVar = ["-created_at"]
        indexes: ClassVar = [models.Index(fields=["merchant", "-created_at"])]
        permissions: ClassVar = [("manage_apikey", "Can make, rotate and revoke API keys")]

    def __str__(self) -> str:
        return f"{self.name} ({self.prefix}…)"

    @property
    def is_revoked(self) -> bool:
        """True once the key has been revoked."""
        return self.revoked_at is not None

    @property
    def is_expired(self) -> bool:
        """True from the time at which the key expires."""
        return self.expires_at is not None and self.expires_at <= timezone.now()


class IdempotencyRecord(models.Model):
    """The answer to a request with an idempotency key. It is written in the transaction of the action."""

    merchant = models.SlugField()
    route = models.CharField(max_length=200, help_text="Method and path")
    key = models.CharField(max_length=255)
    fields = models.JSONField(help_text="A hash of each field of the body, to name what differs")
    status = models.PositiveSmallIntegerField(default=0)
    body = models.TextField(blank=True)
    location = models.CharField(max_length=200, blank=True)
    subject = models.CharField(max_length=64, blank=True, help_text="The payment or operation answered with")
    held_until = models.DateTimeField(
        null=True, blank=True, help_text="Until then the first request may still be waiting"
    )
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["merchant", "route", "key"], name="one_answer_per_key")
        ]
        # Without this index, erasing one payment would read all answers.
        indexes: ClassVar = [models.Index(fields=["subject"], name="answers_by_subject")]

    def __str__(self) -> str:
        return f"{self.route} {self.key}"


class RateLease(models.Model):
    """The number of requests that processes have leased from the present window of a key."""

    key = models.OneToOneField(ApiKey, on_delete=models.CASCADE, primary_key=True)
    window = models.BigIntegerField(help_text="Seconds since 1970, divided by the length of a window")
    taken = models.PositiveIntegerField(default=0)

    def __str__(self) -> str:
        return f"{self.key_id}: {self.taken}"
