"""The effects of a provider's answer, or of a notification, on a capture, void or refund.

The operation's payment and attempt must be locked: the attempt's lock covers its operations too.
"""

from collections.abc import Iterable

from checkout.payments.events import move_operation
from checkout.payments.messages import ProviderAnswered, ProviderOutcome
from checkout.payments.models import Operation, Payment
from checkout.payments.providers.base import EventKind, Outcome, ProviderResult

State = Operation.State

STATES = {
    Outcome.APPROVED: State.DONE,
    Outcome.PENDING: State.PENDING,
    Outcome.REFUSED: State.REFUSED,
    Outcome.NOT_SENT: State.REQUESTED,
    Outcome.NOT_FOUND: State.REQUESTED,
    Outcome.NOT_ABLE: State.REQUESTED,
}

OUTCOMES = {
    State.DONE: Outcome.APPROVED,
    State.PENDING: Outcome.PENDING,
    State.REFUSED: Outcome.REFUSED,
    State.REQUESTED: Outcome.NOT_SENT,
    State.UNKNOWN: Outcome.UNKNOWN,
}

# The kind of operation that each event is about.
KINDS = {
    EventKind.CAPTURED: Operation.Kind.CAPTURE,
    EventKind.CAPTURE_FAILED: Operation.Kind.CAPTURE,
    EventKind.CANCELLED: Operation.Kind.VOID,
    EventKind.REFUND_SENT: Operation.Kind.REFUND,
    EventKind.REFUNDED: Operation.Kind.REFUND,
    EventKind.REFUND_FAILED: Operation.Kind.REFUND,
}

TAKEN = (EventKind.CAPTURED, EventKind.SETTLED)
# Events that can only follow a capture, and so imply it.
AFTER_A_CAPTURE = (
    *TAKEN,
    EventKind.REFUND_SENT,
    EventKind.REFUNDED,
    EventKind.REFUND_FAILED,
    EventKind.CHARGED_BACK,
    EventKind.CHARGE_BACK_REVERSED,
)

# After these events nothing is held, so there is nothing left to capture or to release.
RELEASED = (EventKind.CANCELLED, EventKind.EXPIRED, EventKind.REFUSED)


def shows_money(result: ProviderResult) -> bool:
    """Return True if the provider holds or has taken money for the order, although a rest may be released."""
    return result.outcome == Outcome.APPROVED and (result.kind not in RELEASED or result.kept is not None)


# Events that do not end an operation. A refund on its way is not made yet. What has failed could be asked for
# once more, so the provider must confirm the failure first.
NO_END = frozenset({EventKind.REFUND_SENT, EventKind.REFUND_FAILED, EventKind.CAPTURE_FAILED})

# Answers and notifications may arrive out of order, so an operation only moves to a state of higher rank.
RANKS = {State.REQUESTED: 0, State.UNKNOWN: 1, State.PENDING: 2, State.DONE: 3, State.REFUSED: 3}


def move(payment: Payment, operation: Operation, state: str, *, reason: str = "") -> None:
    """Move the operation to ``state`` and save it, unless its state has the same or a higher rank."""
    if RANKS[State(state)] > RANKS[State(operation.state)]:
        refusal_reason = reason if state == State.REFUSED else ""
        move_operation(payment, operation, state, refusal_reason=refusal_reason)


def answer_of(operation: Operation, *, event: str = "") -> ProviderAnswered:
    """Return the operation's state as the answer to a command about it."""
    outcome = ProviderOutcome(OUTCOMES[State(operation.state)])
    return ProviderAnswered(outcome=outcome, event=event, refusal_reason=operation.refusal_reason)


def operation_of(
    operations: Iterable[Operation], kind: EventKind, references: Iterable[str]
) -> Operation | None:
    """Return the operation of an attempt that an event is about; None if that is not certain.

    The first of ``references`` that names one of ours decides. Without any, the event must fit only one
    operation, which must be pending: one that was not sent, or that may have got lost, needs an inquiry. The
    events in ``NO_END`` are only matched by reference.
    """
    if kind not in KINDS:
        return None
    candidates = [each for each in operations if each.kind == KINDS[kind]]
    by_reference = {each.reference: each for each in candidates}
    named = next((by_reference[name] for name in references if name in by_reference), None)
    if named is not None or kind in NO_END:
        return named
    if kind != EventKind.REFUNDED:
        # A failed refund may still be made. No other refused operation explains an event.
        candidates = [each for each in candidates if each.state != State.REFUSED]
    return candidates[0] if len(candidates) == 1 and candidates[0].state == State.PENDING else None


def settle(payment: Payment, operation: Operation, kind: EventKind) -> None:
    """Mark the operation as done, if the event ends it. The event must be proven and for its amount."""
    if kind not in NO_END:
        move(payment, operation, State.DONE)
