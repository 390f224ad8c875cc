"""Messages written in the same transaction as the state they belong to, and the record of those handled.

``sealed`` is never stored: a row only remembers that its message carried one, so that a redelivered cause can
attach it again.
"""

from collections.abc import Mapping
from datetime import timedelta
from typing import ClassVar, Self

from django.db import IntegrityError, models
from django.utils import timezone

from messaging.compiled_queries import insert
from messaging.conf import conf
from messaging.envelope import (
    CAUSATION_ID,
    SCHEMA_VERSION,
    SEALED,
    SUBJECT,
    Envelope,
    HeaderValue,
    encode_body,
)
from messaging.outbox.notify import wake_relays
from messaging.topology import Topology


class AlreadyHandled(Exception):
    """This message id has been handled by this consumer; its effects are committed."""


class AbstractOutboxMessage(models.Model):
    """A message that is owed to somebody.

    Until ``available_at`` it is left alone: to its creator, who publishes it at once, or because it is for
    later. From then on the relay publishes it. A relay takes a row by moving ``available_at`` on.
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
        """An unsaved row for ``envelope``.

        Without a delay its creator is expected to publish it within the grace period; with one, even of 0,
        the relay publishes it when the time has come.
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
    def holds(cls, envelope: Envelope) -> bool:
        """Return True if this very message has been written here."""
        row = cls._default_manager.filter(message_id=envelope.message_id).first()
        return row is not None and (row.type, row.correlation_id, row.reply_to, row.body) == (
            envelope.type,
            envelope.correlation_id,
            envelope.reply_to,
            envelope.body.decode(),
        )

    @property
    def is_left_to_creator(self) -> bool:
        """Say if its creator was to publish it, rather than the relay at some later time or by now."""
        return self.available_at - self.created_at == timedelta(seconds=conf.outbox_grace_seconds)

    def envelope(self) -> Envelope:
        """The message as it was written, without its sealed header."""
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
    """A message that a consumer has handled; written in the transaction of its effects."""

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

    def record(self) -> None:
        """Insert this row. Raises AlreadyHandled, upon which the caller must leave its transaction."""
        try:
            insert(self)
        except IntegrityError as error:
            raise AlreadyHandled(self.message_id) from error


def enqueue(
    model: type[AbstractOutboxMessage],
    service: str,
    type: str,
    body: object,
    *,
    subject: str = "",
    correlation_id: str = "",
    reply_to: str = "",
    causation_id: str = "",
    headers: Mapping[str, HeaderValue] | None = None,
    delay_seconds: float | None = None,
) -> AbstractOutboxMessage:
    """Write a command into the caller's transaction.

    Publish it after the commit with ``rpc.acall(…, message_id=row.message_id)``; the relay does so when you
    have not by the end of the grace period, or of ``delay_seconds``. With 0 it is the relay's from the start,
    which is woken for it.
    """
    own: dict[str, HeaderValue] = {SCHEMA_VERSION: 1}
    if subject:
        own[SUBJECT] = subject
    if causation_id:
        own[CAUSATION_ID] = causation_id
    envelope = Envelope(
        type=type,
        body=encode_body(body),
        correlation_id=correlation_id,
        reply_to=reply_to,
        headers={**(headers or {}), **own},
    )
    row = model.of(Topology(conf.prefix).commands, service, envelope, delay_seconds=delay_seconds)
    insert(row)
    if delay_seconds == 0:
        wake_relays(model)
    return row
