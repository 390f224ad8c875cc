"""What one statement of a notification makes of the attempt that it is about. The attempt must be locked."""

from dataclasses import dataclass, replace

from checkout.commands import ApplyProviderEvent
from checkout.messaging.service import Message
from checkout.models import Attempt, Fact, ProviderNotification
from checkout.providers.base import EventKind, Notification, Outcome, ProviderResult
from checkout.scrubbing import scrub_text
from checkout.services.payments.attempt_outcome import ENDS, is_for_another_payment
from checkout.services.payments.operation_outcome import operation_of, settle
from checkout.statements import Compiled, insert
from checkout.states import Actor, AttemptState

State = ProviderNotification.State

# What a statement says about the attempt itself. A capture or refund implies that it was authorised.
OUTCOMES = {
    EventKind.AUTHORISED: Outcome.APPROVED,
    EventKind.CAPTURED: Outcome.APPROVED,
    EventKind.SETTLED: Outcome.APPROVED,
    EventKind.REFUNDED: Outcome.APPROVED,
    EventKind.REFUSED: Outcome.REFUSED,
}


@dataclass(frozen=True, slots=True)
class Finding:
    """What became of a statement, why if it was not simply applied, and what the orchestrator is told.

    ``operation`` is the reference of ours that it is about.
    """

    state: State
    reason: str = ""
    tells: str = ""
    operation: str = ""


def apply_statement(attempt: Attempt, statement: Notification, message: Message) -> Finding:
    """Apply a statement once, write it down, and tell the orchestrator what it should know."""
    if _is_known(attempt, statement):
        return Finding(State.APPLIED, "repeats an earlier one")
    finding = _judged(attempt, statement)
    _record_fact(attempt, statement, finding)
    if finding.tells:
        _tell(attempt, statement, finding, message)
    return finding


def _is_known(attempt: Attempt, statement: Notification) -> bool:
    """Whether the same was stated before, in another notification or at an earlier look at this one."""
    if not statement.event_id:
        return False
    event_id = scrub_text(statement.event_id)
    return any(fact.data.get("event_id") == event_id for fact in _FACTS.all(attempt.pk, _kind(statement)))


_FACTS = Compiled(
    lambda attempt, kind: Fact.objects.filter(attempt_id=attempt, kind=kind).only("data").order_by()
)


def _judged(attempt: Attempt, statement: Notification) -> Finding:
    """Move what was asked for before. A statement about other money moves nothing: it may be forged."""
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
        return Finding(State.CONFLICTED, reason, tells=statement.kind if is_open else "")
    operation = operation_of(attempt, statement.kind, statement.reference)
    if operation is not None and not settle(operation, statement.kind, statement.amount):
        reason = f"says {statement.amount}, we asked to {operation.kind} {operation.amount}"
        return Finding(State.CONFLICTED, reason)
    told = Finding(State.APPLIED, tells=statement.kind, operation=operation.reference if operation else "")
    if statement.kind not in OUTCOMES or is_open:
        # How an open attempt ends is the provider's own reply to tell. A notification can be forged by
        # whoever knows its address, so it only makes the saga ask.
        return told
    if result.outcome == Outcome.REFUSED:
        is_news = attempt.state != AttemptState.REFUSED
        reason = f"comes too late: the attempt is {attempt.state}" if is_news else ""
        return Finding(State.APPLIED, reason)
    if attempt.state != AttemptState.AUTHORISED:
        # Money may be held for an attempt that has ended without any, or somebody lies.
        return replace(told, reason=f"the attempt is {attempt.state}: the provider is asked")
    return told


def _kind(statement: Notification) -> str:
    return f"notified_{statement.kind}"


def _record_fact(attempt: Attempt, statement: Notification, finding: Finding) -> None:
    data = {
        "event": statement.event,
        "event_id": statement.event_id,
        "amount": str(statement.amount) if statement.amount else "",
        "reference": statement.reference,
        "not_applied": finding.reason,
    }
    fact = Fact(
        payment=attempt.payment,
        attempt=attempt,
        source=Actor.PROVIDER,
        kind=_kind(statement),
        data={name: scrub_text(value) for name, value in data.items() if value},
    )
    insert(fact)


def _tell(attempt: Attempt, statement: Notification, finding: Finding, message: Message) -> None:
    payment = attempt.payment
    event = ApplyProviderEvent(
        payment=payment.reference,
        attempt=attempt.order_code,
        kind=finding.tells,
        minor=statement.amount.minor if statement.amount else None,
        currency=statement.amount.currency if statement.amount else "",
        operation=finding.operation,
    )
    message.send("checkout", "checkout.apply_provider_event", event, reply_to="", subject=payment.reference)
