"""New rows of all tables with records of payments, in the order of their times.

A row may be committed after one with a higher primary key. So each read goes back by ``WINDOW`` rows, and
skips those that were read before.
"""

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

from django.db import DEFAULT_DB_ALIAS, DatabaseError, InterfaceError
from django.db.models import Max, QuerySet

from checkout.database.owners import databases
from checkout.payments.models import (
    Event,
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
    """One row in the form for output. ``payment`` is a reference, or empty if the row is about no payment."""

    at: datetime
    payment: str
    kind: str
    what: str
    detail: str

    def as_dict(self) -> dict[str, Any]:
        """Return the record with values that JSON can represent."""
        return {**asdict(self), "at": self.at.isoformat()}


@dataclass(slots=True)
class Source:
    """A table in one database, and its rows that were read already."""

    rows: QuerySet[Any]
    record: Callable[[Any], Record | None]
    has_begun: bool = True
    high: int = 0
    seen: set[int] = field(default_factory=set)

    def begin(self) -> None:
        """Mark the existing rows as read, unless this was done before."""
        if not self.has_begun:
            high = self.rows.aggregate(high=Max("pk"))["high"] or 0
            self.seen = set(self.rows.filter(pk__gt=high - WINDOW).values_list("pk", flat=True))
            self.high, self.has_begun = high, True

    def new(self) -> list[Record]:
        """Return the new records. A row for which ``record`` returns None is read again later.

        If the database becomes unavailable meanwhile, no row counts as read.
        """
        rows = list(self.rows.filter(pk__gt=self.high - WINDOW).order_by("pk"))
        told = {row.pk: record for row in rows if row.pk not in self.seen and (record := self.record(row))}
        self.high = max([self.high, *(row.pk for row in rows)])
        self.seen = {pk for pk in self.seen | told.keys() if pk > self.high - WINDOW}
        return list(told.values())


class Sources:
    """All tables with records: all records of one payment, or new records of all payments.

    Raises ``DatabaseError`` or ``InterfaceError`` if the default database is unavailable. Other databases may
    be unavailable.
    """

    def __init__(self, payment: str = "") -> None:
        self._sources = [Source(*each, has_begun=bool(payment)) for each in _tables(payment)]
        away: set[str] = set()
        for each in self._sources:
            try:
                if each.rows.db not in away:
                    each.begin()
            except (DatabaseError, InterfaceError):
                if each.rows.db == DEFAULT_DB_ALIAS:
                    raise
                away.add(each.rows.db)

    def new(self) -> tuple[list[Record], dict[str, str]]:
        """Return the records since the last call, the oldest first.

        Also return the databases that cannot be read, each with the reason. Later calls return their records,
        once they can be read.
        """
        found: list[Record] = []
        away: dict[str, str] = {}
        for each in self._sources:
            if each.rows.db in away:
                continue
            try:
                each.begin()
                found += each.new()
            except (DatabaseError, InterfaceError) as error:
                away[each.rows.db] = " ".join(str(error).split())
        return sorted(found, key=lambda record: record.at), away


def _tables(payment: str) -> Iterator[tuple[QuerySet[Any], Callable[[Any], Record | None]]]:
    def about(rows: QuerySet[Any], path: str) -> QuerySet[Any]:
        return rows.filter(**{path: payment}) if payment else rows

    told = Event.objects.select_related("payment").defer("data", "changes")
    yield about(told, "payment__reference"), _event
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


def _event(row: Event) -> Record:
    return Record(row.created_at, row.payment.reference, "event", row.type, row.operation)


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
