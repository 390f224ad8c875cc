"""Apply the statements of a notification to the attempt that they are about. The attempt must be locked."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from django.db.models import Q

from checkout.payments.books.apply import apply, compare_books_again, doubt, note_release
from checkout.payments.books.compare_notifications import (
    OTHER_AMOUNT,
    OTHER_MERCHANT,
    compare_notification,
    is_told_anew,
    may_be_told_twice,
)
from checkout.payments.books.events import kind_by_issuer, kind_of_ours, meaning
from checkout.payments.books.money_at_risk import put_at_risk
from checkout.payments.books.ours import OF_ANOTHER_AMOUNT, SAID_TO_HAVE_FAILED, operations_as_ours
from checkout.payments.books.verdicts import Conclusion, Verdict
from checkout.payments.checkout_messages import ApplyProviderEvent
from checkout.payments.models import Attempt, Fact, Operation, ProviderNotification
from checkout.payments.models.payment import HINTED, NOTIFIED
from checkout.payments.providers.base import EventKind, Notification
from checkout.payments.sagas.open_questions import is_inquired
from checkout.payments.totals import SETTLED, operations_of
from checkout.privacy.scrubbing import scrub_text
from checkout.states import Actor, AttemptState
from messaging.compiled_queries import Compiled, insert_in_batch
from messaging.worker.service import Message

State = ProviderNotification.State

_CONTRADICTIONS = (OTHER_MERCHANT, OTHER_AMOUNT)

# The most hints about one attempt that are recorded and looked into. There is a limit because anybody may
# send hints, and facts are kept for ever.
MOST_HINTS = 50


@dataclass(frozen=True, slots=True)
class StatementResult:
    """The result of applying a statement.

    ``reason`` says why the statement was not simply applied. ``signals`` is the kind of the event for the
    orchestrator, if any; an event that says nothing new is not sent. ``operation`` is the reference of our
    operation that the statement is about, and ``ends_ours`` says that the statement ended it.
    """

    state: State
    reason: str = ""
    signals: str = ""
    operation: str = ""
    ends_ours: bool = False


# The result of a statement that was applied before.
REPEATED = StatementResult(State.APPLIED, "repeats an earlier one")


def apply_statements(
    attempt: Attempt, statements: Sequence[Notification], message: Message, row: ProviderNotification
) -> list[StatementResult]:
    """Apply each statement of ``row`` once, record it as a fact, and send the events to the orchestrator.

    The number of database queries does not depend on the number of statements.
    """
    is_proven = row.is_proven
    known = _Known(_FACTS.all(attempt.pk), is_proven=is_proven)
    operations = operations_of(attempt)
    results, facts, events = [], [], []
    is_to_be_compared = False
    for statement in statements:
        refusal = known.refusal_of(statement, operations) or (_unknown(statement) if is_proven else None)
        result = refusal or _judged(attempt, operations, statement, is_proven=is_proven)
        is_told_again = known.has_contradicted(statement, result)
        if is_told_again:
            result = replace(result, signals="")
        results.append(result)
        if is_proven and not result.ends_ours and known.may_be_of_portal(statement, operations):
            is_to_be_compared = True
        if is_proven and result is REPEATED and may_be_told_twice(statement):
            is_to_be_compared = True
            events += _second_disputes(attempt, statement)
        if refusal is None and not is_told_again:
            known.add(statement, result)
            facts.append(_fact(attempt, statement, result, row))
        if result.signals and not _says_nothing_new(attempt, operations, result):
            events.append(_event(attempt, statement, result, is_proven=is_proven))
    insert_in_batch(*facts)
    if is_to_be_compared:
        compare_books_again(attempt)
    for event in dict.fromkeys(events):
        if is_proven and event.kind == EventKind.CHARGED_BACK:
            put_at_risk(attempt.payment, event.minor, event.currency)
        message.send(*event.address, event, reply_to="", subject=event.payment)
    return results


def _second_disputes(attempt: Attempt, statement: Notification) -> list[ApplyProviderEvent]:
    """Return the event of a dispute that was notified again after its first notification was answered (D7).

    The provider's sums show if there are two disputes. Without sums, staff decide.
    """
    if kind_by_issuer(statement.kind) is None:
        return []
    second = replace(statement, event_id=f"{statement.event_id} again")
    told = StatementResult(State.APPLIED, signals=statement.kind)
    return [_event(attempt, second, told, is_proven=True)]


_FACTS = Compiled(
    lambda attempt: (
        Fact.objects.filter(Q(kind__startswith=NOTIFIED) | Q(kind__startswith=HINTED), attempt_id=attempt)
        .only("kind", "data")
        .order_by()
    )
)


class _Known:
    """The earlier statements about an attempt, from this notification and from others."""

    def __init__(self, facts: Sequence[Fact], *, is_proven: bool) -> None:
        # A proven statement is new even if a hint has reported the same before.
        prefixes = NOTIFIED if is_proven else (NOTIFIED, HINTED)
        self._event_ids: set[str] = set()
        # A proven statement that contradicts our records is judged again when it is repeated, because our
        # records may have been corrected.
        self._contradictions: set[tuple[str, str]] = set()
        # The kinds of the statements that named none of our operations.
        self._unnamed: set[str] = set()
        self._hints = None if is_proven else sum(fact.kind.startswith(HINTED) for fact in facts)
        for fact in facts:
            if fact.kind.startswith(NOTIFIED) and not fact.data.get("reference"):
                self._unnamed.add(fact.kind)
            if fact.kind.startswith(prefixes):
                self._add(fact.data.get("event_id", ""), fact.data.get("not_applied", ""))

    def refusal_of(self, statement: Notification, operations: Sequence[Operation]) -> StatementResult | None:
        """Return the result of a statement that is to be skipped; None if it is to be looked into."""
        is_proven = self._hints is None
        is_known = scrub_text(statement.event_id) in self._event_ids
        if is_known and not (is_proven and is_told_anew(operations, statement)):
            return REPEATED
        if self._hints is not None and self._hints >= MOST_HINTS:
            return StatementResult(
                State.APPLIED, f"not looked into: there were {MOST_HINTS} hints about this order"
            )
        return None

    def has_contradicted(self, statement: Notification, result: StatementResult) -> bool:
        """Return True if the statement was recorded before with the same contradiction."""
        return (scrub_text(statement.event_id), scrub_text(result.reason)) in self._contradictions

    def may_be_of_portal(self, statement: Notification, operations: Sequence[Operation]) -> bool:
        """Return True if the money may have moved in the provider's portal. It ended no operation of ours.

        A statement that names one of our operations is about that operation, unless an earlier statement
        without a reference has ended it: then one of the two is about the portal.
        """
        if statement.kind == EventKind.SETTLED:
            # Each capture is settled by itself. The settlement may be the only sign of a capture in the
            # portal.
            captures = [each.amount for each in operations if each.kind == Operation.Kind.CAPTURE]
            return statement.amount is not None and statement.amount not in captures
        if kind_of_ours(statement.kind) is None:
            return False
        ours = {each.reference for each in operations}
        names = (*statement.references, statement.reference)
        return ours.isdisjoint(names) or f"{NOTIFIED}{statement.kind}" in self._unnamed

    def add(self, statement: Notification, result: StatementResult) -> None:
        self._add(scrub_text(statement.event_id), scrub_text(result.reason))
        if self._hints is not None:
            self._hints += 1

    def _add(self, event_id: str, reason: str) -> None:
        if not event_id:
            return
        if self._hints is None and reason.startswith(_CONTRADICTIONS):
            self._contradictions.add((event_id, reason))
        else:
            self._event_ids.add(event_id)


def _unknown(statement: Notification) -> StatementResult | None:
    """Return the result of a statement whose event the adapter does not know; None if it knows the event.

    The statement is left to staff and is not recorded. So it can be applied later, if the provider is asked
    to send it again once the adapter knows the event.
    """
    if statement.is_known:
        return None
    return StatementResult(State.UNREADABLE, f"the event {statement.event or 'without a name'} is not known")


def _judged(
    attempt: Attempt, operations: Sequence[Operation], statement: Notification, *, is_proven: bool
) -> StatementResult:
    """Compare the statement with our books, and apply it to its operation if it is proven."""
    told = compare_notification(
        operations,
        statement,
        owed=attempt.payment.amount,
        attempt=attempt.state,
        merchant_code=attempt.provider_account.merchant_code,
        is_proven=is_proven,
    )
    operation, ends_ours = told.operation, False
    if operation is not None and told.settles:
        was_open = operation.state not in SETTLED
        apply(attempt.payment, operation, Verdict(Conclusion.SETTLED, "C8"), is_notified=True)
        ends_ours = was_open and operation.state in SETTLED
    elif operation is not None and told.doubts:
        doubt(operation, SAID_TO_HAVE_FAILED)
    elif operation is not None and told.differs:
        doubt(operation, OF_ANOTHER_AMOUNT)
    if is_proven and told.state == State.APPLIED and meaning(statement.kind).releases:
        note_release(attempt, operations_as_ours(attempt, operations), statement.kind)
    return StatementResult(
        told.state,
        told.reason,
        signals=told.signals,
        operation=operation.reference if operation else "",
        ends_ours=ends_ours,
    )


def _says_nothing_new(attempt: Attempt, operations: Sequence[Operation], result: StatementResult) -> bool:
    """Return True if no saga of the attempt would do anything because of the statement.

    That an authorised attempt is authorised matters only to a purchase that inquires, because it has not
    received the provider's own answer. Besides, every event signals the state of ended operations to their
    sagas, in case an earlier event was lost.
    """
    is_known = result.signals == EventKind.AUTHORISED and attempt.state == AttemptState.AUTHORISED
    has_ended = any(each.state in SETTLED for each in operations)
    return is_known and not has_ended and not is_inquired(attempt)


def _fact(
    attempt: Attempt, statement: Notification, result: StatementResult, row: ProviderNotification
) -> Fact:
    is_named = result.operation in statement.references
    data = {
        "event": statement.event,
        "event_id": statement.event_id,
        "amount": str(statement.amount) if statement.amount else "",
        "reference": result.operation if is_named else statement.reference,
        "not_applied": result.reason,
    }
    return Fact(
        payment=attempt.payment,
        attempt=attempt,
        source=Actor.PROVIDER,
        kind=f"{NOTIFIED if row.is_proven else HINTED}{statement.kind}",
        data={
            # ``notification_results`` finds the results of the notification's statements by this key.
            "notification": row.pk,
            **{name: scrub_text(value) for name, value in data.items() if value},
        },
    )


def _event(
    attempt: Attempt, statement: Notification, result: StatementResult, *, is_proven: bool
) -> ApplyProviderEvent:
    return ApplyProviderEvent(
        payment=attempt.payment.reference,
        attempt=attempt.order_code,
        kind=result.signals,
        minor=statement.amount.minor if statement.amount else None,
        currency=statement.amount.currency if statement.amount else "",
        operation=result.operation,
        event_id=scrub_text(statement.event_id),
        is_proven=is_proven,
    )
