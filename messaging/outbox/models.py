"""Tables for messages written in the transaction of their cause, and for messages that were handled.

The sealed secret is never stored. A row only records that its message carried one, so that a redelivery of
its cause can attach the secret again.
"""

from collections.abc import Mapping
from datetime import timedelta
from typing import ClassVar, Self

from django.db import DEFAULT_DB_ALIAS, models
from django.utils import timezone

from messaging.compiled_queries import insert_in_batch
from messaging.conf import conf
from messaging.envelope import SEALED, Envelope, HeaderValue, command_envelope
from messaging.outbox.notify import must_ring, wake_relays
from messaging.topology import Topology


class AlreadyHandled(Exception):
    """This consumer has handled this message id already; the effects are committed."""


class AbstractOutboxMessage(models.Model):
    """A message to publish.

    Until ``available_at`` the relay leaves the row alone: either its creator publishes it at once, or it is
    meant for later. From then on the relay publishes it. A relay takes a row by setting ``available_at`` to a
    later time. A row that was published when it was created is left to the worker that handles its cause
    (``cause``).

    A suspect was in flight when the broker rejected a message, so it is published on a connection of its own.
    ``rejections`` counts how often it was rejected there, or could not be made into a message. After several
    rejections, a row is given up: it counts as published, and its message becomes a dead letter.
    """

    message_id = models.CharField(max_length=64, unique=True)
    exchange = models.CharField(max_length=127)
    routing_key = models.CharField(max_length=255)
    type = models.CharField(max_length=100)
    correlation_id = models.CharField(max_length=120, blank=True)
    reply_to = models.CharField(max_length=255, blank=True)
    subject = models.CharField(max_length=100, blank=True, db_index=True)
    causation_id = models.CharField(max_length=64, blank=True, db_index=True)
    body = models.TextField()
    headers = models.JSONField(default=dict, blank=True)
    carries_sealed = models.BooleanField(default=False)
    created_at = models.DateTimeField(default=timezone.now)
    available_at = models.DateTimeField()
    published_at = models.DateTimeField(null=True, blank=True)
    attempts = models.PositiveIntegerField(default=0)
    last_error = models.CharField(max_length=200, blank=True)
    is_suspect = models.BooleanField(default=False)
    rejections = models.PositiveSmallIntegerField(default=0)
    given_up_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        abstract = True
        ordering: ClassVar = ["-created_at"]
        indexes: ClassVar = [
            models.Index(
                fields=["available_at"], name="%(class)s_due", condition=models.Q(published_at__isnull=True)
            )
        ]

    def __str__(self) -> str:
        return f"{self.type} {self.message_id}"

    @classmethod
    def of(
        cls,
        exchange: str,
        routing_key: str,
        envelope: Envelope,
        *,
        delay_seconds: float | None = None,
        carries_sealed: bool = False,
    ) -> Self:
        """Return an unsaved row for ``envelope``.

        Without a delay, the creator is expected to publish the message within the grace period. With a delay,
        even of 0, the relay publishes it when it is due.
        """
        now = timezone.now()
        if delay_seconds is None:
            delay_seconds = conf.outbox_grace_seconds
        return cls(
            message_id=envelope.message_id,
            exchange=exchange,
            routing_key=routing_key,
            type=envelope.type,
            correlation_id=envelope.correlation_id,
            reply_to=envelope.reply_to,
            subject=envelope.subject,
            causation_id=envelope.causation_id,
            body=envelope.body.decode(),
            headers={name: value for name, value in envelope.headers.items() if name != SEALED},
            carries_sealed=carries_sealed,
            created_at=now,
            available_at=now + timedelta(seconds=delay_seconds),
        )

    @classmethod
    def holds(cls, envelope: Envelope, database: str) -> bool:
        """Return True if exactly this message has been written to the outbox of this database."""
        row = cls._default_manager.using(database).filter(message_id=envelope.message_id).first()
        return row is not None and (row.type, row.correlation_id, row.reply_to, row.body) == (
            envelope.type,
            envelope.correlation_id,
            envelope.reply_to,
            envelope.body.decode(),
        )

    def envelope(self) -> Envelope:
        """Return the message as it was written, without its sealed header."""
        return Envelope(
            type=self.type,
            body=self.body.encode(),
            message_id=self.message_id,
            correlation_id=self.correlation_id,
            reply_to=self.reply_to,
            timestamp=int(self.created_at.timestamp()),
            headers=self.headers,
        )


class AbstractInboxMessage(models.Model):
    """A message that a consumer has handled. The row is written together with its effects."""

    consumer = models.CharField(max_length=50)
    message_id = models.CharField(max_length=64)
    type = models.CharField(max_length=100)
    subject = models.CharField(max_length=100, blank=True, db_index=True)
    received_at = models.DateTimeField()
    handled_at = models.DateTimeField(default=timezone.now)

    class Meta:
        abstract = True
        ordering: ClassVar = ["-handled_at"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["consumer", "message_id"], name="%(class)s_handled_once")
        ]

    def __str__(self) -> str:
        return f"{self.consumer} {self.type} {self.message_id}"

    def record(self, database: str) -> None:
        """Insert this row with the batch of the caller's transaction, which raises AlreadyHandled."""
        insert_in_batch(self, using=database, or_raise=AlreadyHandled(self.message_id))


def enqueue(
    model: type[AbstractOutboxMessage],
    service: str,
    type: str,
    body: object,
    *,
    subject: str = "",
    correlation_id: str = "",
    reply_to: str = "",
    headers: Mapping[str, HeaderValue] | None = None,
    delay_seconds: float | None = None,
    message_id: str = "",
    database: str = DEFAULT_DB_ALIAS,
) -> AbstractOutboxMessage:
    """Write a command in the caller's transaction on ``database``, with a new id unless one is given.

    Publish it after the commit with ``rpc.acall(…, message_id=row.message_id)``. If it is not published by
    the end of the grace period, or of ``delay_seconds``, the relay publishes it. With a delay of 0 the row
    belongs to the relay from the start, and the relay is woken for it.
    """
    envelope = command_envelope(
        type,
        body,
        subject=subject,
        correlation_id=correlation_id,
        reply_to=reply_to,
        headers=headers,
        message_id=message_id,
    )
    row = model.of(Topology(conf.prefix).commands, service, envelope, delay_seconds=delay_seconds)
    insert_in_batch(row, using=database)
    if must_ring(delay_seconds):
        wake_relays(model, database)
    return row
