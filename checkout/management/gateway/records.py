"""New rows of all tables that tell about payments, in the order of their times.

A row may be committed after one with a higher primary key. So each look goes back by ``WINDOW`` rows, and
skips those that were seen before.
"""

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from django.db import DEFAULT_DB_ALIAS
from django.db.models import Max, QuerySet

from checkout.database.owners import databases
from checkout.payments.models import (
    Fact,
    InboxMessage,
    OutboxMessage,
    ProviderCall,
    ProviderNotification,
    SagaStep,
)

WINDOW = 500


@dataclass(frozen=True, slots=True)
class Record:
    """One thing that has happened. ``payment`` is a reference, empty if it is about none."""

    at: datetime
    payment: str
    kind: str
    what: str
    detail: str

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON takes it."""
        return {**asdict(self), "at": self.at.isoformat()}


@dataclass(slots=True)
class Source:
    """A table in one database, and the rows of it that were seen."""

    rows: QuerySet[Any]
    record: Callable[[Any], Record | None]
    high: int
    seen: set[int]

    def new(self) -> Iterator[Record]:
        """Yield what is new. A row that cannot be told yet (None) is looked at again."""
        low = self.high - WINDOW
        for row in self.rows.filter(pk__gt=low).order_by("pk"):
            self.high = max(self.high, row.pk)
            if row.pk not in self.seen and (record := self.record(row)) is not None:
                self.seen.add(row.pk)
                yield record
        self.seen = {pk for pk in self.seen if pk > self.high - WINDOW}


class Sources:
    """All tables: those of one payment from its beginning, or those of all payments from now on."""

    def __init__(self, payment: str = "") -> None:
        self._sources = [_source(*each, is_whole=bool(payment)) for each in _tables(payment)]

    def new(self) -> list[Record]:
        """Return what has been recorded since the last call, the oldest first."""
        return sorted((record for each in self._sources for record in each.new()), key=lambda it: it.at)


def _source(rows: QuerySet[Any], record: Callable[[Any], Record | None], *, is_whole: bool) -> Source:
    if is_whole:
        return Source(rows, record, 0, set())
    high = rows.aggregate(high=Max("pk"))["high"] or 0
    seen = rows.filter(pk__gt=high - WINDOW).values_list("pk", flat=True)
    return Source(rows, record, high, set(seen))


def _tables(payment: str) -> Iterator[tuple[QuerySet[Any], Callable[[Any], Record | None]]]:
    def about(rows: QuerySet[Any], path: str) -> QuerySet[Any]:
        return rows.filter(**{path: payment}) if payment else rows

    yield about(Fact.objects.select_related("payment"), "payment__reference"), _fact
    yield about(SagaStep.objects.select_related("saga__payment"), "saga__payment__reference"), _step
    calls = ProviderCall.objects.select_related("attempt__payment")
    yield about(calls, "attempt__payment__reference"), _call_begun
    yield about(calls, "attempt__payment__reference"), _call_ended
    heard = ProviderNotification.objects.select_related("payment", "account")
    yield about(heard, "payment__reference"), _notification
    for database in databases():
        yield about(OutboxMessage.objects.using(database), "subject"), _sent
        yield about(InboxMessage.objects.using(database), "subject"), _handled(database)


def _fact(row: Fact) -> Record:
    data = [f"{name}={value}" for name, value in row.data.items() if isinstance(value, str | int)]
    return Record(
        row.recorded_at, row.payment.reference, "fact", row.kind, " ".join([f"by {row.source}", *data])
    )


def _step(row: SagaStep) -> Record:
    return Record(
        row.sent_at, row.saga.payment.reference, "step", f"{row.saga.kind}: {row.name}", row.command
    )


def _call_begun(row: ProviderCall) -> Record:
    return Record(row.started_at, row.attempt.payment.reference, "call", row.verb, "…")


def _call_ended(row: ProviderCall) -> Record | None:
    if row.finished_at is None:
        return None
    told = " ".join(filter(None, [row.outcome, row.event]))
    return Record(row.finished_at, row.attempt.payment.reference, "answer", row.verb, told)


def _notification(row: ProviderNotification) -> Record:
    payment = row.payment.reference if row.payment else ""
    proof = "proven" if row.is_proven else "not proven"
    return Record(row.received_at, payment, "notice", f"from {row.account.code}", f"{row.state}, {proof}")


def _sent(row: OutboxMessage) -> Record:
    return Record(row.created_at, row.subject, "send", row.type, row.message_id)


def _handled(database: str) -> Callable[[InboxMessage], Record]:
    place = "" if database == DEFAULT_DB_ALIAS else f", in {database}"

    def record(row: InboxMessage) -> Record:
        return Record(row.handled_at, row.subject, "handle", row.type, f"by {row.consumer}{place}")

    return record
