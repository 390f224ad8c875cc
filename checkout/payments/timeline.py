"""The history of a payment: one chronological table of all records about it."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TypeVar

from django.db import InterfaceError, OperationalError
from django.utils import timezone

from checkout.database.owners import databases
from checkout.payments.models import (
    Fact,
    InboxMessage,
    OutboxMessage,
    Payment,
    ProviderCall,
    ProviderNotification,
    SagaStep,
)
from checkout.payments.notification_results import results_of

Message = TypeVar("Message", OutboxMessage, InboxMessage)


class Kind(StrEnum):
    """The kind of record that an entry comes from."""

    EVENT = "event"
    FACT = "fact"
    STEP = "saga step"
    MESSAGE = "message"
    PROVIDER_CALL = "provider call"
    NOTIFICATION = "notification"
    # Entries of these kinds come from records of other services, or follow from the entries above.
    REQUEST = "request"
    CHALLENGE = "bank's check"
    WEBHOOK = "webhook"
    RECEIPT = "receipt"


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of the history. ``duration`` is None for a moment, and for something that has not ended.

    ``text`` is the scrubbed text of a message, a notification or the provider's answer. Reading it needs a
    permission of its own.
    """

    at: datetime
    kind: Kind
    what: str
    detail: str = ""
    duration: timedelta | None = None
    text: str = ""


def timeline_of(payment: Payment) -> list[Entry]:
    """Return everything that is recorded about ``payment``, the oldest first.

    The number of queries is fixed, however long the payment's history is.
    """
    entries = [
        *_events(payment),
        *_facts(payment),
        *_steps(payment),
        *_messages(payment),
        *_calls(payment),
        *_notifications(payment),
    ]
    return sorted(entries, key=lambda entry: entry.at)


def _events(payment: Payment) -> Iterator[Entry]:
    for event in payment.events.defer("data", "changes").order_by("pk"):
        yield Entry(event.created_at, Kind.EVENT, event.type, event.operation)


def _facts(payment: Payment) -> Iterator[Entry]:
    for fact in Fact.objects.filter(payment=payment):
        data = [f"{name}={value}" for name, value in fact.data.items() if isinstance(value, str | int)]
        detail = " ".join([f"by {fact.source}", *data])
        yield Entry(fact.recorded_at, Kind.FACT, fact.kind, detail, text=fact.text)


def _steps(payment: Payment) -> Iterator[Entry]:
    for step in SagaStep.objects.filter(saga__payment=payment).select_related("saga"):
        yield Entry(
            step.sent_at,
            Kind.STEP,
            f"{step.saga.kind}: {step.name}",
            f"{step.command} → {step.outcome or 'no answer yet'}",
            _between(step.sent_at, step.replied_at),
        )


def _messages(payment: Payment) -> Iterator[Entry]:
    """Yield one entry per message, from the decision to send it until it was handled."""
    outbox: list[OutboxMessage] = []
    inbox: dict[str, InboxMessage] = {}
    for database in databases():
        try:
            outbox += _about(payment, OutboxMessage, database)
            inbox |= {row.message_id: row for row in _about(payment, InboxMessage, database)}
        except (OperationalError, InterfaceError):
            yield Entry(
                timezone.now(), Kind.MESSAGE, f"messages in {database}", "not available: database away"
            )
    outbox.sort(key=lambda sent: sent.created_at)
    # A handler writes its inbox row first and its messages last, so the messages show when it ended.
    last_effects = {sent.causation_id: sent.created_at for sent in outbox}
    for sent in outbox:
        card = "with the sealed card, " if sent.carries_sealed else ""
        received = inbox.pop(sent.message_id, None)
        if received is None:
            yield Entry(sent.created_at, Kind.MESSAGE, sent.type, card + _progress(sent), text=sent.body)
            continue
        ended = max(received.handled_at, last_effects.get(sent.message_id, received.handled_at))
        on_the_way = _milliseconds(received.received_at - sent.created_at)
        handling = _milliseconds(ended - received.received_at)
        detail = f"{card}to {received.consumer}: {on_the_way} on the way, {handling} handling"
        yield Entry(sent.created_at, Kind.MESSAGE, sent.type, detail, ended - sent.created_at, sent.body)
    for row in inbox.values():
        # Queries, which are in no outbox, and messages from services with a database of their own.
        ended = max(row.handled_at, last_effects.get(row.message_id, row.handled_at))
        yield Entry(row.received_at, Kind.MESSAGE, row.type, f"to {row.consumer}", ended - row.received_at)


def _progress(sent: OutboxMessage) -> str:
    if sent.given_up_at:
        return f"given up: {sent.last_error}"
    return "sent" if sent.published_at else f"in the outbox {sent.last_error}".rstrip()


def _about(payment: Payment, model: type[Message], database: str) -> list[Message]:
    return list(model._default_manager.using(database).filter(subject=payment.reference))


def _calls(payment: Payment) -> Iterator[Entry]:
    for call in ProviderCall.objects.filter(attempt__payment=payment):
        yield Entry(
            call.started_at,
            Kind.PROVIDER_CALL,
            call.verb,
            " ".join(filter(None, [call.outcome or "no outcome yet", call.event])),
            _between(call.started_at, call.finished_at),
        )


def _notifications(payment: Payment) -> Iterator[Entry]:
    rows = list(ProviderNotification.objects.filter(payment=payment).select_related("account"))
    results = results_of(rows)
    for row in rows:
        result = results[row.pk].result.replace("_", " ")
        times = f", received {row.copies} times" if row.copies > 1 else ""
        yield Entry(
            row.received_at,
            Kind.NOTIFICATION,
            f"from {row.account.code}",
            f"{result}{times}{'' if row.is_proven else ', not proven'}",
            _between(row.received_at, row.applied_at),
            row.body,
        )


def _between(start: datetime, end: datetime | None) -> timedelta | None:
    return end - start if end else None


def _milliseconds(duration: timedelta) -> str:
    return f"{duration / timedelta(milliseconds=1):.0f} ms"
