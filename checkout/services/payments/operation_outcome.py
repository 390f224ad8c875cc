"""What a provider's answer, or a notification, makes of a capture, void or refund.

The operation's attempt must be locked: that is the operation's lock too.
"""

from checkout.models import Attempt, Operation
from checkout.money import Money
from checkout.providers.base import EventKind, Outcome

STATES = {
    Outcome.APPROVED: Operation.State.DONE,
    Outcome.PENDING: Operation.State.PENDING,
    Outcome.REFUSED: Operation.State.REFUSED,
    Outcome.NOT_SENT: Operation.State.REQUESTED,
}

OUTCOMES = {
    Operation.State.DONE: Outcome.APPROVED,
    Operation.State.PENDING: Outcome.PENDING,
    Operation.State.REFUSED: Outcome.REFUSED,
    Operation.State.REQUESTED: Outcome.NOT_SENT,
    Operation.State.UNKNOWN: Outcome.UNKNOWN,
}

# Which kind of operation an event is about, and what it makes of it.
EVENTS = {
    EventKind.CAPTURED: (Operation.Kind.CAPTURE, Operation.State.DONE),
    EventKind.CANCELLED: (Operation.Kind.VOID, Operation.State.DONE),
    EventKind.REFUNDED: (Operation.Kind.REFUND, Operation.State.DONE),
    EventKind.REFUND_FAILED: (Operation.Kind.REFUND, Operation.State.REFUSED),
}

OPEN = (Operation.State.REQUESTED, Operation.State.PENDING, Operation.State.UNKNOWN)


def move(operation: Operation, state: str) -> None:
    """Move on to ``state`` and save, unless the operation is further already: news may come out of order."""
    is_further = operation.state not in OPEN or (operation.state == Operation.State.PENDING and state in OPEN)
    if not is_further:
        operation.state = state
        operation.save(update_fields=["state", "updated_at"])


def operation_of(attempt: Attempt, kind: EventKind, reference: str) -> Operation | None:
    """Return the operation that an event is about: by its reference, or the only open one of its kind."""
    if kind not in EVENTS:
        return None
    candidates = attempt.operations.filter(kind=EVENTS[kind][0])
    named = candidates.filter(reference=reference).first() if reference else None
    if named is not None:
        return named
    still_open = list(candidates.filter(state__in=OPEN)[:2])
    return still_open[0] if len(still_open) == 1 else None


def settle(operation: Operation, kind: EventKind, amount: Money | None) -> bool:
    """Apply an event to its operation; return False, changing nothing, when it is about another amount."""
    if amount is not None and amount != operation.amount:
        return False
    state = EVENTS[kind][1]
    if kind == EventKind.REFUND_FAILED and operation.state == Operation.State.DONE:
        # The one thing that is taken back: the issuer returned a refund that had been made.
        operation.state = Operation.State.PENDING
    move(operation, state)
    return True


def has_open_operations(attempt: Attempt) -> bool:
    """Whether the provider still owes the outcome of a capture, void or refund."""
    return attempt.operations.filter(state__in=OPEN).exists()
