"""Apply the statements of a notification to the attempt that they are about. The attempt must be locked."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from django.db.models import Q

from checkout.payments.checkout_messages import ApplyProviderEvent
from checkout.payments.models import Attempt, Fact, Operation, ProviderNotification
from checkout.payments.models.payment import HINTED, NOTIFIED
from checkout.payments.providers.base import EventKind, Notification, Outcome, ProviderResult
from checkout.payments.sagas.open_questions import is_inquired
from checkout.payments.service.attempt_outcome import ENDS, is_for_another_payment
from checkout.payments.service.evidence.beyond_ours import compare_books_again
from checkout.payments.service.operation_outcome import KINDS, operation_of, settle
from checkout.payments.totals import SETTLED, operations_of
from checkout.privacy.scrubbing import scrub_text
from checkout.states import ENDED_WITHOUT_MONEY, Actor, AttemptState
from messaging.compiled_queries import Compiled, insert_in_batch
from messaging.worker.service import Message

State = ProviderNotification.State

# The attempt's outcome that each statement implies. A capture or refund implies that it was authorised.
OUTCOMES = {
    EventKind.AUTHORISED: Outcome.APPROVED,
    EventKind.CAPTURED: Outcome.APPROVED,
    EventKind.SETTLED: Outcome.APPROVED,
    EventKind.REFUNDED: Outcome.APPROVED,
    EventKind.REFUSED: Outcome.REFUSED,
}

# The reason of a contradiction begins with one of these: another merchant, or another amount.
OTHER_MERCHANT, OTHER_AMOUNT = "is for the merchant ", "says "
_CONTRADICTIONS = (OTHER_MERCHANT, OTHER_AMOUNT)

# The most hints about one attempt that are recorded and looked into. There is a limit because anybody may
# send hints, and facts are kept for ever.
MOST_HINTS = 50


@dataclass(frozen=True, slots=True)
class StatementResult:
    """The result of applying a statement.

    ``reason`` says why it was not simply applied. ``signals`` is the kind of the event for the orchestrator,
    if any; it is not sent if it says nothing new. ``operation`` is the reference of our operation that the
    statement is about, and ``ends_ours`` says that this was open until then.
    """

    state: State
    reason: str = ""
    signals: str = ""
    operation: str = ""
    ends_ours: bool = False


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
        refusal = known.refusal_of(statement) or (_unknown(statement) if is_proven else None)
        result = refusal or _judged(attempt, operations, statement, is_proven=is_proven)
        is_told_again = known.has_contradicted(statement, result)
        if is_told_again:
            result = replace(result, signals="")
        results.append(result)
        if is_proven and not result.ends_ours and known.may_be_of_portal(statement, operations):
            is_to_be_compared = True
        if refusal is None and not is_told_again:
            known.add(statement, result)
            facts.append(_fact(attempt, statement, result, row))
        if result.signals and not _says_nothing_new(attempt, operations, result):
            events.append(_event(attempt, statement, result, is_proven=is_proven))
    insert_in_batch(*facts)
    if is_to_be_compared:
        compare_books_again(attempt)
    for event in dict.fromkeys(events):
        message.send(*event.address, event, reply_to="", subject=event.payment)
    return results


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
        # A proven statement is new even if a hint has made it before.
        prefixes = NOTIFIED if is_proven else (NOTIFIED, HINTED)
        self._event_ids: set[str] = set()
        # A proven statement that contradicts our records is judged again when it is repeated, because these
        # may have been corrected.
        self._contradictions: set[tuple[str, str]] = set()
        # The kinds of those that named none of our operations.
        self._unnamed: set[str] = set()
        self._hints = None if is_proven else sum(fact.kind.startswith(HINTED) for fact in facts)
        for fact in facts:
            if fact.kind.startswith(NOTIFIED) and not fact.data.get("reference"):
                self._unnamed.add(fact.kind)
            if fact.kind.startswith(prefixes):
                self._add(fact.data.get("event_id", ""), fact.data.get("not_applied", ""))

    def refusal_of(self, statement: Notification) -> StatementResult | None:
        """Return the result of a statement that is to be skipped; None if it is to be looked into."""
        if scrub_text(statement.event_id) in self._event_ids:
            return StatementResult(State.APPLIED, "repeats an earlier one")
        if self._hints is not None and self._hints >= MOST_HINTS:
            return StatementResult(
                State.APPLIED, f"not looked into: there were {MOST_HINTS} hints about this order"
            )
        return None

    def has_contradicted(self, statement: Notification, result: StatementResult) -> bool:
        """Return True if the statement was recorded before with the same contradiction."""
        return (scrub_text(statement.event_id), scrub_text(result.reason)) in self._contradictions

    def may_be_of_portal(self, statement: Notification, operations: Sequence[Operation]) -> bool:
        """Return True if the movement, which has ended none of ours, may be made in the provider's portal.

        One that names ours is not, but an earlier one without a reference may be what has ended ours.
        """
        if statement.kind == EventKind.SETTLED:
            # Each capture is settled by itself. Of one in the portal nothing else may tell.
            captures = [each.amount for each in operations if each.kind == Operation.Kind.CAPTURE]
            return statement.amount is not None and statement.amount not in captures
        if statement.kind not in KINDS:
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

    It is left to staff and not recorded, so that it is applied if the provider is asked to send it again once
    the event is known.
    """
    if statement.is_known:
        return None
    return StatementResult(State.UNREADABLE, f"the event {statement.event or 'without a name'} is not known")


def _judged(
    attempt: Attempt, operations: Sequence[Operation], statement: Notification, *, is_proven: bool
) -> StatementResult:
    """Settle the operation that the statement is about, if it is proven and its amount is ours."""
    if statement.merchant_code != attempt.provider_account.merchant_code:
        return StatementResult(State.CONFLICTED, f"{OTHER_MERCHANT}{statement.merchant_code}")
    result = ProviderResult(
        outcome=OUTCOMES.get(statement.kind, Outcome.PENDING),
        order_code=statement.order_code,
        event=statement.event,
        kind=statement.kind,
        amount=statement.amount,
        reference=statement.reference,
    )
    is_open = attempt.state not in ENDS
    if is_for_another_payment(attempt, result):
        # Unless the attempt has the money, the provider is asked, and its reply will contain the amount.
        reason = f"{OTHER_AMOUNT}{statement.amount}, the payment is {attempt.payment.amount}"
        is_asked = attempt.state in ENDED_WITHOUT_MONEY or (is_open and is_proven)
        return StatementResult(State.CONFLICTED, reason, signals=statement.kind if is_asked else "")
    names = (*statement.references, statement.reference)
    operation = operation_of(operations, statement.kind, names)
    if operation is not None and statement.amount not in (None, operation.amount):
        if operation.reference in names or not is_proven:
            reason = f"{OTHER_AMOUNT}{statement.amount}, we asked to {operation.kind} {operation.amount}"
            return StatementResult(State.CONFLICTED, reason)
        operation = None  # it is another one, made in the provider's portal: the provider is asked
    ends_ours = False
    if operation is not None and is_proven:
        was_open = operation.state not in SETTLED
        settle(attempt.payment, operation, statement.kind)
        ends_ours = was_open and operation.state in SETTLED
    told = StatementResult(
        State.APPLIED,
        signals=statement.kind,
        operation=operation.reference if operation else "",
        ends_ours=ends_ours,
    )
    if statement.kind not in OUTCOMES or is_open:
        # Only the provider's own reply decides how an open attempt ends. Until then a statement is just a
        # reason to ask.
        return told
    if result.outcome == Outcome.REFUSED:
        if attempt.state == AttemptState.AUTHORISED and is_proven:
            # A risk service may refuse an order that was authorised (Worldpay/hybris#130).
            return replace(told, signals=EventKind.CANCELLED, reason="was authorised: the provider is asked")
        is_news = attempt.state != AttemptState.REFUSED
        reason = f"comes too late: the attempt is {attempt.state}" if is_news else ""
        return StatementResult(State.APPLIED, reason)
    if attempt.state != AttemptState.AUTHORISED:
        # Either money is held for an attempt that ended without any, or the statement is false.
        return replace(told, reason=f"the attempt is {attempt.state}: the provider is asked")
    return told


def _says_nothing_new(attempt: Attempt, operations: Sequence[Operation], result: StatementResult) -> bool:
    """Return True if no saga of the attempt would do anything because of the statement.

    That an authorised attempt is authorised matters only to a purchase that inquires, because it has not
    received the provider's own answer. Beside that, every event brings the state of operations that have
    ended to their sagas, in case that an earlier event was lost.
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
