"""The effects of a provider's answer, or of a notification, on a capture, void or refund.

The operation's attempt must be locked: that is the operation's lock too.
"""

from collections.abc import Iterable

from checkout.commands import ProviderAnswered
from checkout.models import Operation
from checkout.providers.base import EventKind, Outcome
from messaging.compiled_queries import update

State = Operation.State

STATES = {
    Outcome.APPROVED: State.DONE,
    Outcome.PENDING: State.PENDING,
    Outcome.REFUSED: State.REFUSED,
    Outcome.NOT_SENT: State.REQUESTED,
}

OUTCOMES = {
    State.DONE: Outcome.APPROVED,
    State.PENDING: Outcome.PENDING,
    State.REFUSED: Outcome.REFUSED,
    State.REQUESTED: Outcome.NOT_SENT,
    State.UNKNOWN: Outcome.UNKNOWN,
}

# Which kind of operation an event is about.
KINDS = {
    EventKind.CAPTURED: Operation.Kind.CAPTURE,
    EventKind.CANCELLED: Operation.Kind.VOID,
    EventKind.REFUND_SENT: Operation.Kind.REFUND,
    EventKind.REFUNDED: Operation.Kind.REFUND,
    EventKind.REFUND_FAILED: Operation.Kind.REFUND,
}

# Events that do not end a refund. A refund on its way is not made yet. A failed refund's money could be
# refunded once more, so the provider must confirm the failure first.
NO_END = frozenset({EventKind.REFUND_SENT, EventKind.REFUND_FAILED})

# News may come out of order: only what says more than is known moves an operation on.
RANKS = {State.REQUESTED: 0, State.UNKNOWN: 1, State.PENDING: 2, State.DONE: 3, State.REFUSED: 3}


def move(operation: Operation, state: str, *, reason: str = "") -> None:
    """Move on to ``state`` and save, unless the operation is as far or further already."""
    if RANKS[State(state)] > RANKS[State(operation.state)]:
        operation.state = state
        operation.refusal_reason = reason if state == State.REFUSED else ""
        update(operation, "state", "refusal_reason")


def answer_of(operation: Operation, *, event: str = "") -> ProviderAnswered:
    """Return where the operation stands, as the answer to a command about it."""
    outcome = OUTCOMES[State(operation.state)]
    return ProviderAnswered(outcome=outcome, event=event, refusal_reason=operation.refusal_reason)


def operation_of(
    operations: Iterable[Operation], kind: EventKind, references: Iterable[str]
) -> Operation | None:
    """Return the operation of an attempt that an event is about.

    That is the one with the first of ``references`` that is one of ours, else the only one there can be. An
    event that names none ends nothing that was not sent or may have got lost, and does not say that money
    which was sent is still here: there we ask.
    """
    if kind not in KINDS:
        return None
    candidates = [each for each in operations if each.kind == KINDS[kind]]
    by_reference = {each.reference: each for each in candidates}
    named = next((by_reference[name] for name in references if name in by_reference), None)
    if named is not None or kind in NO_END:
        return named
    if kind != EventKind.REFUNDED:
        # A refund that failed may be made after all. Nothing else that was refused explains an event.
        candidates = [each for each in candidates if each.state != State.REFUSED]
    return candidates[0] if len(candidates) == 1 and candidates[0].state == State.PENDING else None


def settle(operation: Operation, kind: EventKind) -> None:
    """Apply a proven event, for the operation's own amount, to it."""
    if kind not in NO_END:
        move(operation, State.DONE)
