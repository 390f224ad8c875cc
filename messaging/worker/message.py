"""A message for its handler: the command or reply, and the messages that it causes."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import DEFAULT_DB_ALIAS, transaction
from django.db.models import Q
from django.utils import timezone

from messaging.access.proofs import prove
from messaging.cloud_events import CloudEvent
from messaging.compiled_queries import batch, insert_in_batch
from messaging.conf import conf
from messaging.envelope import (
    CAUSATION_ID,
    DEADLINE,
    REPLY,
    SCHEMA_VERSION,
    SUBJECT,
    Envelope,
    HeaderValue,
    Reply,
    encode_body,
)
from messaging.logs import work
from messaging.outbox.cause import LEFT_TO_CAUSE, leave_to_cause
from messaging.outbox.models import AbstractInboxMessage, AbstractOutboxMessage, AlreadyHandled
from messaging.outbox.notify import must_ring, wake_relays
from messaging.topology import Topology
from messaging.worker.clocks import watch


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A message to publish after the commit. If ``is_owed``, it is in the outbox; otherwise it is a hint.

    A delayed message with a secret waits in memory. Its row in the outbox is due even later, in case this
    process ends. If the row ``is_marked``, it is marked as published once the message is, so that the relay
    leaves it alone.
    """

    exchange: str
    routing_key: str
    envelope: Envelope
    is_owed: bool
    carries_sealed: bool = False
    delay_seconds: float = 0
    is_marked: bool = False


@dataclass(frozen=True, slots=True)
class Push:
    """An event for a channel-layer group, to be sent after the commit."""

    group: str
    event: dict[str, Any]


@dataclass(frozen=True, slots=True)
class _Planned:
    exchange: str
    routing_key: str
    envelope: Envelope
    delay_seconds: float
    may_carry_sealed: bool


class Message:
    """A message for its handler. Messages that are sent inside ``once()`` leave if and only if it commits."""

    def __init__(
        self,
        envelope: Envelope,
        *,
        consumer: str,
        topology: Topology,
        inbox_model: type[AbstractInboxMessage],
        outbox_model: type[AbstractOutboxMessage],
        database: str = DEFAULT_DB_ALIAS,
        reply_queue: str = "",
        received_at: datetime | None = None,
        records_last: bool = False,
    ) -> None:
        self.envelope = envelope
        self.after_commit: list[Outgoing] = []
        self.pushes: list[Push] = []
        self._consumer = consumer
        self._topology = topology
        self._inbox_model = inbox_model
        self._outbox_model = outbox_model
        self._database = database
        self._reply_queue = reply_queue
        self._received_at = received_at or timezone.now()
        watch.look_at(envelope)
        self._records_last = records_last
        self._sealed = envelope.sealed
        self._planned: list[_Planned] = []
        self._hints: list[Outgoing] = []
        self._planned_pushes: list[Push] = []
        self._admission: Callable[[], None] | None = None

    @property
    def subject(self) -> str:
        """The reference of the thing that the message is about; empty if there is none."""
        return self.envelope.subject

    @property
    def correlation_id(self) -> str:
        """The id by which the sender recognises the reply."""
        return self.envelope.correlation_id

    @property
    def sender(self) -> str:
        """The broker user that sent the message, as verified by the broker."""
        return self.envelope.user_id

    @property
    def topology(self) -> Topology:
        """The names of exchanges and queues under the message's prefix."""
        return self._topology

    @property
    def has_sealed(self) -> bool:
        """Return True if a sealed secret came with the message and has not been taken yet."""
        return bool(self._sealed)

    def take_sealed(self) -> str:
        """Return the sealed secret, and stop passing it on; empty if there is none."""
        sealed, self._sealed = self._sealed, ""
        return sealed

    def require_admission(self, admission: Callable[[], None]) -> None:
        """Require that the handler calls ``admit()``, which calls ``admission``, before anything else."""
        self._admission = admission

    def admit(self) -> None:
        """Check that the sender may send this message now. Raises NotEntitled or Obsolete."""
        admission, self._admission = self._admission, None
        if admission is not None:
            admission()

    @contextmanager
    def once(self) -> Iterator[None]:
        """Open a transaction for the handler's effects, its messages, and the record of the handled message.

        The messages are written at the end of the block, with one statement where that is possible. Raises
        AlreadyHandled if an earlier transaction has recorded the message: before the block runs, or perhaps
        only at its end if the record is written last. Then nothing of the block is kept. Raises RuntimeError
        if the handler has not called ``admit()`` although it has to.
        """
        if self._admission is not None:
            raise RuntimeError(f"The handler of {self.envelope.type} has admitted a message without a check.")
        try:
            with transaction.atomic(using=self._database):
                if not self._records_last:
                    self._record()
                with batch(self._database, is_last=True):
                    if self._records_last:
                        self._record()
                    yield
                    owed = self._write_outbox()
        except BaseException:
            self._discard_plans()
            raise
        self.after_commit += owed + self._hints
        self.pushes += self._planned_pushes
        self._discard_plans()

    def refuse_repetition(self) -> None:
        """Raise AlreadyHandled if an earlier transaction has recorded the message as handled."""
        known = self._inbox_model._default_manager.using(self._database)
        if known.filter(consumer=self._consumer, message_id=self.envelope.message_id).exists():
            raise AlreadyHandled(self.envelope.message_id)

    def reply(self, result: Any) -> None:
        """Answer the sender with ``result``, a struct or dictionary. Do nothing if it wants no answer."""
        self._answer(Reply.success(result))

    def reply_error(self, code: str, text: str, retryable: bool) -> None:
        """Answer the sender with an error, which is ``retryable`` if the same command may succeed later."""
        self._answer(Reply.failure(code, text, retryable))

    def send(
        self,
        service: str,
        type: str,
        body: object,
        *,
        correlation_id: str = "",
        reply_to: str | None = None,
        subject: str | None = None,
        delay_seconds: float = 0,
        keeps_sealed: bool = False,
        deadline: int | None = None,
    ) -> str:
        """Send a command. By default, the answer goes to this service's own reply queue.

        ``deadline`` is in epoch milliseconds. A delayed message has to be stored, so it carries no sealed
        secret, unless it ``keeps_sealed``: then this process keeps the secret in memory and sends the
        message. If the process ends first, the relay sends the message without its secret. Returns the
        message id.
        """
        headers = self._headers(subject)
        if deadline is not None:
            headers[DEADLINE] = deadline
        envelope = Envelope(
            type=type,
            body=encode_body(body),
            correlation_id=correlation_id,
            reply_to=self._reply_queue if reply_to is None else reply_to,
            headers=headers,
        )
        self._plan(
            self._topology.commands,
            service,
            prove(envelope),
            delay_seconds=delay_seconds,
            may_carry_sealed=keeps_sealed or not delay_seconds,
        )
        return envelope.message_id

    def publish_event(self, event_type: str, data: object) -> str:
        """Publish an event about the message's subject, as a CloudEvent. Returns its id."""
        event = CloudEvent(
            type=event_type,
            source=f"/{self._topology.prefix}",
            data=data,
            subject=self.subject,
        )
        key = event.routing_key(self._topology)
        self._plan(self._topology.events, key, event.envelope(self._headers(None)), may_carry_sealed=False)
        return event.id

    def reply_transient(self, reply_to: str, correlation_id: str, result: Any) -> None:
        """Answer a caller that may still be waiting. The answer is not stored, and may be lost."""
        envelope = Envelope(
            type=REPLY,
            body=Reply.success(result).encode(),
            correlation_id=correlation_id,
            headers=self._headers(None),
        )
        self._hints.append(Outgoing(self._topology.replies, reply_to, envelope, is_owed=False))

    def push(self, group: str, event: dict[str, Any]) -> None:
        """Send ``event`` to a channel-layer group, at most once. It is not stored."""
        self._planned_pushes.append(Push(group, event))

    def left_unpublished(self) -> list[Outgoing]:
        """Return messages that an earlier handling of this message stored and may not have published.

        Messages that need a sealed secret get the one that came with this message.
        """
        rows = self._outbox_model._default_manager.using(self._database).filter(
            LEFT_TO_CAUSE | Q(carries_sealed=True, published_at__isnull=True),
            causation_id=self.envelope.message_id,
        )
        return [
            Outgoing(
                row.exchange,
                row.routing_key,
                row.envelope().with_sealed(self.envelope.sealed if row.carries_sealed else ""),
                is_owed=True,
                carries_sealed=row.carries_sealed,
                is_marked=row.published_at is None,
            )
            for row in rows.order_by("pk")
        ]

    def _answer(self, reply: Reply) -> None:
        if not self.envelope.reply_to:
            return
        envelope = Envelope(
            type=REPLY,
            body=reply.encode(),
            correlation_id=self.envelope.correlation_id,
            headers=self._headers(None),
        )
        self._plan(self._topology.replies, self.envelope.reply_to, prove(envelope))

    def _headers(self, subject: str | None) -> dict[str, HeaderValue]:
        # By now the work may know more than the message, for example the merchant and this program's span.
        headers: dict[str, HeaderValue] = {**self.envelope.travelling_headers(), **work.headers()}
        headers[SCHEMA_VERSION] = 1
        headers[CAUSATION_ID] = self.envelope.message_id
        about = self.subject if subject is None else subject
        if about:
            headers[SUBJECT] = about
        return headers

    def _plan(
        self,
        exchange: str,
        routing_key: str,
        envelope: Envelope,
        *,
        delay_seconds: float = 0,
        may_carry_sealed: bool = True,
    ) -> None:
        self._planned.append(_Planned(exchange, routing_key, envelope, delay_seconds, may_carry_sealed))

    def _record(self) -> None:
        self._inbox_model(
            consumer=self._consumer,
            message_id=self.envelope.message_id,
            type=self.envelope.type,
            subject=self.subject,
            received_at=self._received_at,
        ).record(self._database)

    def _write_outbox(self) -> list[Outgoing]:
        rows: list[AbstractOutboxMessage] = []
        outgoing: list[Outgoing] = []
        for plan in self._planned:
            carries = plan.may_carry_sealed and bool(self._sealed)
            # The relay leaves this process the grace period for publishing, whether at once or after the
            # delay.
            grace = conf.outbox_grace_seconds if carries else 0
            row = self._outbox_model.of(
                plan.exchange,
                plan.routing_key,
                plan.envelope,
                delay_seconds=plan.delay_seconds + grace if plan.delay_seconds else None,
                carries_sealed=carries,
            )
            if not plan.delay_seconds:
                leave_to_cause(row)
            elif must_ring(plan.delay_seconds + grace):
                wake_relays(self._outbox_model, self._database)
            rows.append(row)
            if carries or not plan.delay_seconds:
                envelope = plan.envelope.with_sealed(self._sealed) if carries else plan.envelope
                sent = Outgoing(
                    plan.exchange,
                    plan.routing_key,
                    envelope,
                    is_owed=True,
                    carries_sealed=carries,
                    delay_seconds=plan.delay_seconds,
                    is_marked=plan.delay_seconds > 0,
                )
                outgoing.append(sent)
        insert_in_batch(*rows, using=self._database)
        return outgoing

    def _discard_plans(self) -> None:
        self._planned = []
        self._hints = []
        self._planned_pushes = []
