"""The results of notifications: of their statements, and of the questions that they caused.

A notification that was examined is ``applied``, even if it changed nothing. Its statements are facts that
name it. A saga that asked the provider about a statement has the statement's event id.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from django.db.models import Q

from checkout.payments.models import Fact, ProviderNotification, Saga
from checkout.payments.models.payment import HINTED, NOTIFIED
from checkout.payments.models.saga import ASKING

State = ProviderNotification.State


class Result(StrEnum):
    """The result of a notification, in order of urgency: if there are several, the first one counts."""

    RECEIVED = "received"
    UNREADABLE = "unreadable"
    CONFLICTED = "conflicted"
    UNMATCHED = "unmatched"
    WAITS_FOR_STAFF = "waits_for_staff"
    BEING_ASKED = "being_asked"
    CONFIRMED = "confirmed"
    BOOKED = "booked"
    DENIED = "denied"
    CHANGED_NOTHING = "changed_nothing"
    TAKEN_AS_HINT = "taken_as_hint"
    APPLIED = "applied"


_PRESSING = tuple(Result)
_WHILE_OPEN = {
    Saga.Status.RUNNING: Result.BEING_ASKED,
    Saga.Status.PARKED: Result.WAITS_FOR_STAFF,
}


@dataclass(frozen=True, slots=True)
class NotificationResult:
    """The result, and the question that it comes from, if there was one."""

    result: Result
    question: Saga | None = None

    @property
    def is_by_staff(self) -> bool:
        """Return True if the answer to the question comes from staff, not from the provider."""
        return self.question is not None and bool(self.question.data.get("is_answered_by_staff"))


def results_of(rows: Sequence[ProviderNotification]) -> dict[int, NotificationResult]:
    """Return the results of notifications by their primary keys, in two queries at most."""
    payments = {row.payment_id for row in rows if row.state == State.APPLIED and row.payment_id}
    statements = _statements(payments) if payments else {}
    questions = _questions(payments) if statements else {}
    return {row.pk: _result(row, statements.get(row.pk, []), questions) for row in rows}


def _statements(payments: Collection[int]) -> dict[int, list[Fact]]:
    """Return the statements about these payments, by the primary key of their notification."""
    told = Q(kind__startswith=NOTIFIED) | Q(kind__startswith=HINTED)
    found: dict[int, list[Fact]] = {}
    for fact in Fact.objects.filter(told, payment__in=payments).only("data").order_by():
        if "notification" in fact.data:
            found.setdefault(fact.data["notification"], []).append(fact)
    return found


def _questions(payments: Collection[int]) -> dict[str, Saga]:
    """Return the latest question about each statement, by its event id."""
    sagas = Saga.objects.filter(kind=ASKING, payment__in=payments).order_by("pk")
    return {event_id: saga for saga in sagas for event_id in saga.data.get("statements", ())}


def _result(
    row: ProviderNotification, statements: Sequence[Fact], questions: Mapping[str, Saga]
) -> NotificationResult:
    if row.state != State.APPLIED:
        return NotificationResult(Result(row.state))
    asked = [questions.get(fact.data.get("event_id", "")) for fact in statements]
    answered = [_answered(saga) for saga in asked if saga is not None]
    if answered:
        return min(answered, key=lambda each: _PRESSING.index(each.result))
    is_news = any("not_applied" not in fact.data for fact in statements)
    if row.reason and not is_news:
        return NotificationResult(Result.CHANGED_NOTHING)
    return NotificationResult(Result.APPLIED if row.is_proven else Result.TAKEN_AS_HINT)


def _answered(saga: Saga) -> NotificationResult:
    result = _WHILE_OPEN.get(Saga.Status(saga.status)) or Result(saga.data["answer"])
    return NotificationResult(result, saga)
