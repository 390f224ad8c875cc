"""What a provider's answer, or a notification, makes of a capture, void or refund.

The operation's attempt must be locked: that is the operation's lock too.
"""

from checkout.commands import ProviderAnswered
from checkout.models import Attempt, Operation
from checkout.models.sums import operations_of
from checkout.money import Money
from checkout.providers.base import EventKind, Outcome
from checkout.statements import update

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
    EventKind.REFUNDED: Operation.Kind.REFUND,
    EventKind.REFUND_FAILED: Operation.Kind.REFUND,
}

# News may come out of order: only what says more than is known moves an operation on.
RANKS = {State.REQUESTED: 0, State.UNKNOWN: 1, State.PENDING: 2, State.DONE: 3, State.REFUSED: 3}


def move(operation: Operation, state: str, *, reason: str = "") -> None:
    """Move on to ``state`` and save, unless the operation is as far or further already."""
    if RANKS[State(state)] > RANKS[State(operation.state)]:
        operation.state = state
        operation.refusal_reason = reason if state == State.REFUSED else ""
        update(operation, "state", "refusal_reason")


def take_back(operation: Operation) -> None:
    """The one thing that is taken back: a refund that was made has failed, perhaps weeks later."""
    operation.state = State.PENDING
    move(operation, State.REFUSED, reason=EventKind.REFUND_FAILED)


def answer_of(operation: Operation, *, event: str = "") -> ProviderAnswered:
    """Return where the operation stands, as the answer to a command about it."""
    outcome = OUTCOMES[State(operation.state)]
    return ProviderAnswered(outcome=outcome, event=event, refusal_reason=operation.refusal_reason)


def operation_of(attempt: Attempt, kind: EventKind, reference: str) -> Operation | None:
    """Return the operation that an event is about: the one that it names, else the only one there can be.

    Only the provider and we know a name. An event without one may be anybody's: it ends nothing that was not
    sent or may have got lost, and does not say that money which was sent is still here. There we ask.
    """
    if kind not in KINDS:
        return None
    candidates = [each for each in operations_of(attempt) if each.kind == KINDS[kind]]
    named = next((each for each in candidates if reference and each.reference == reference), None)
    if named is not None or kind == EventKind.REFUND_FAILED:
        return named
    made = [each for each in candidates if each.state != State.REFUSED]
    return made[0] if len(made) == 1 and made[0].state == State.PENDING else None


def settle(operation: Operation, kind: EventKind, amount: Money | None) -> bool:
    """Apply an event to its operation; return False, changing nothing, when it is about another amount.

    That a refund failed would free its money to be given back once more, so the provider must confirm it.
    """
    if amount is not None and amount != operation.amount:
        return False
    if kind != EventKind.REFUND_FAILED:
        move(operation, State.DONE)
    return True
