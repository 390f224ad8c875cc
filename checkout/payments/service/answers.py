"""The answers to commands about an operation."""

from checkout.payments.messages import ProviderAnswered, ProviderOutcome
from checkout.payments.models import Operation

State = Operation.State

_OUTCOMES = {
    State.DONE: ProviderOutcome.APPROVED,
    State.PENDING: ProviderOutcome.PENDING,
    State.REFUSED: ProviderOutcome.REFUSED,
    State.REQUESTED: ProviderOutcome.NOT_SENT,
    State.UNKNOWN: ProviderOutcome.UNKNOWN,
}


def answer_of(operation: Operation, *, event: str = "") -> ProviderAnswered:
    """Return the operation's state as the answer to a command about it. ``event`` is the provider's word."""
    outcome = _OUTCOMES[State(operation.state)]
    return ProviderAnswered(outcome=outcome, event=event, refusal_reason=operation.refusal_reason)
