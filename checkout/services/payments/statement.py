"""Apply the statements of a notification to the attempt that they are about. The attempt must be locked."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from django.db.models import Q

from checkout.commands import ApplyProviderEvent
from checkout.models import Attempt, Fact, Operation, ProviderNotification
from checkout.models.payment import HINTED, NOTIFIED
from checkout.models.sums import operations_of
from checkout.providers.base import EventKind, Notification, Outcome, ProviderResult
from checkout.scrubbing import scrub_text
from checkout.services.payments.attempt_outcome import ENDS, is_for_another_payment
from checkout.services.payments.operation_outcome import operation_of, settle
from checkout.states import Actor, AttemptState
from messaging.compiled_queries import Compiled, insert
from messaging.worker.service import Message

State = ProviderNotification.State

# The outcomes of the attempt itself, by statement. A capture or refund implies that it was authorised.
OUTCOMES = {
    EventKind.AUTHORISED: Outcome.APPROVED,
    EventKind.CAPTURED: Outcome.APPROVED,
    EventKind.SETTLED: Outcome.APPROVED,
    EventKind.REFUNDED: Outcome.APPROVED,
    EventKind.REFUSED: Outcome.REFUSED,
}

# So many hints about one attempt are written down and looked into. Facts are kept for ever, and anybody may
# send hints.
MOST_HINTS = 50


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of a statement: the reason if it was not simply applied, and what the orchestrator is told.

    ``operation`` is the reference of ours that it is about.
    """

    state: State
    reason: str = ""
    tells: str = ""
    operation: str = ""


def apply_statements(
    attempt: Attempt, statements: Sequence[Notification], message: Message, row: ProviderNotification
) -> list[Finding]:
    """Apply each statement of ``row`` once, write it down, and tell the orchestrator what it should know.

    The number of look-ups does not depend on the number of statements.
    """
    is_proven = row.is_proven
    known = _Known(_FACTS.all(attempt.pk), is_proven=is_proven)
    operations = operations_of(attempt)
    findings, facts, events = [], [], []
    for statement in statements:
        refusal = known.refusal_of(statement)
        finding = refusal or _judged(attempt, operations, statement, is_proven=is_proven)
        findings.append(finding)
        if refusal is None:
            known.add(statement)
            facts.append(_fact(attempt, statement, finding, row))
        if finding.tells:
            events.append(_event(attempt, statement, finding, is_proven=is_proven))
    insert(*facts)
    for event in dict.fromkeys(events):
        message.send("checkout", "checkout.apply_provider_event", event, reply_to="", subject=event.payment)
    return findings


_FACTS = Compiled(
    lambda attempt: (
        Fact.objects.filter(Q(kind__startswith=NOTIFIED) | Q(kind__startswith=HINTED), attempt_id=attempt)
        .only("kind", "data")
        .order_by()
    )
)


class _Known:
    """The statements about an attempt that were made before, in this notification or another."""

    def __init__(self, facts: Sequence[Fact], *, is_proven: bool) -> None:
        # A statement that only a hint has made is news when it is proven.
        prefixes = NOTIFIED if is_proven else (NOTIFIED, HINTED)
        self._event_ids = {fact.data.get("event_id") for fact in facts if fact.kind.startswith(prefixes)}
        self._hints = None if is_proven else sum(fact.kind.startswith(HINTED) for fact in facts)

    def refusal_of(self, statement: Notification) -> Finding | None:
        """Return the result of a statement that is not looked into; None for one that is."""
        if statement.event_id and scrub_text(statement.event_id) in self._event_ids:
            return Finding(State.APPLIED, "repeats an earlier one")
        if self._hints is not None and self._hints >= MOST_HINTS:
            return Finding(State.APPLIED, f"not looked into: there were {MOST_HINTS} hints about this order")
        return None

    def add(self, statement: Notification) -> None:
        self._event_ids.add(scrub_text(statement.event_id))
        if self._hints is not None:
            self._hints += 1


def _judged(
    attempt: Attempt, operations: Sequence[Operation], statement: Notification, *, is_proven: bool
) -> Finding:
    """Move what was asked for before, if it is proven. A statement about other money moves nothing."""
    if statement.merchant_code != attempt.provider_account.merchant_code:
        return Finding(State.CONFLICTED, f"is for the merchant {statement.merchant_code}")
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
        # The provider is asked how an open attempt ends, and will say for how much.
        reason = f"says {statement.amount}, the payment is {attempt.payment.amount}"
        return Finding(State.CONFLICTED, reason, tells=statement.kind if is_open and is_proven else "")
    operation = operation_of(operations, statement.kind, (*statement.references, statement.reference))
    if operation is not None and statement.amount not in (None, operation.amount):
        reason = f"says {statement.amount}, we asked to {operation.kind} {operation.amount}"
        return Finding(State.CONFLICTED, reason)
    if operation is not None and is_proven:
        settle(operation, statement.kind)
    told = Finding(State.APPLIED, tells=statement.kind, operation=operation.reference if operation else "")
    if statement.kind not in OUTCOMES or is_open:
        # The provider's own reply tells how an open attempt ends. Until then every statement is a
        # reason to ask, and nothing more.
        return told
    if result.outcome == Outcome.REFUSED:
        is_news = attempt.state != AttemptState.REFUSED
        reason = f"comes too late: the attempt is {attempt.state}" if is_news else ""
        return Finding(State.APPLIED, reason)
    if attempt.state != AttemptState.AUTHORISED:
        # Money may be held for an attempt that has ended without any, or somebody lies.
        return replace(told, reason=f"the attempt is {attempt.state}: the provider is asked")
    return told


def _fact(attempt: Attempt, statement: Notification, finding: Finding, row: ProviderNotification) -> Fact:
    is_named = finding.operation in statement.references
    data = {
        "event": statement.event,
        "event_id": statement.event_id,
        "amount": str(statement.amount) if statement.amount else "",
        "reference": finding.operation if is_named else statement.reference,
        "not_applied": finding.reason,
    }
    return Fact(
        payment=attempt.payment,
        attempt=attempt,
        source=Actor.PROVIDER,
        kind=f"{NOTIFIED if row.is_proven else HINTED}{statement.kind}",
        data={
            # By it, what comes of the statement is found for the notification (``notification_results``).
            "notification": row.pk,
            **{name: scrub_text(value) for name, value in data.items() if value},
        },
    )


def _event(
    attempt: Attempt, statement: Notification, finding: Finding, *, is_proven: bool
) -> ApplyProviderEvent:
    return ApplyProviderEvent(
        payment=attempt.payment.reference,
        attempt=attempt.order_code,
        kind=finding.tells,
        minor=statement.amount.minor if statement.amount else None,
        currency=statement.amount.currency if statement.amount else "",
        operation=finding.operation,
        event_id=scrub_text(statement.event_id),
        is_proven=is_proven,
    )
