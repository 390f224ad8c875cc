"""Sums of a payment's operations by kind, and where they put the payment. Read with the payment locked."""

from collections import Counter
from dataclasses import dataclass

from checkout.models.payment import Attempt, Operation, Payment
from checkout.statements import Compiled
from checkout.states import PaymentState

Kind, State = Operation.Kind, Operation.State

# What the provider has, or may have, been asked for.
ASKED = (State.PENDING, State.UNKNOWN, State.DONE)
ALL_BUT_REFUSED = (State.REQUESTED, *ASKED)

# Events by the kind of operation that they follow from.
EXPLANATIONS = {
    "captured": Kind.CAPTURE,
    "cancelled": Kind.VOID,
    "refunded": Kind.REFUND,
    "refund_failed": Kind.REFUND,
}


@dataclass(frozen=True, slots=True)
class Sums:
    """Amounts in minor units of the payment's currency, by kind and state of the operations."""

    owed: int
    by_kind_and_state: Counter[tuple[str, str]]

    def total(self, kind: str, *states: str) -> int:
        """Return the sum of all operations of this kind in any of these states."""
        return sum(self.by_kind_and_state[kind, state] for state in states)

    @property
    def captured(self) -> int:
        """What was taken."""
        return self.total(Kind.CAPTURE, State.DONE)

    @property
    def refunded(self) -> int:
        """What was given back."""
        return self.total(Kind.REFUND, State.DONE)

    @property
    def left_to_capture(self) -> int:
        """What may still be asked for; nothing once the authorisation is, or is being, voided."""
        if self.total(Kind.VOID, *ALL_BUT_REFUSED):
            return 0
        return self.owed - self.total(Kind.CAPTURE, *ALL_BUT_REFUSED)

    @property
    def left_to_refund(self) -> int:
        """What may still be given back: only what has certainly been taken."""
        return self.captured - self.total(Kind.REFUND, *ALL_BUT_REFUSED)

    @property
    def can_be_voided(self) -> bool:
        """Whether no capture and no other void stands in the way."""
        return not (self.total(Kind.CAPTURE, *ALL_BUT_REFUSED) or self.total(Kind.VOID, *ALL_BUT_REFUSED))

    @property
    def state(self) -> PaymentState:
        """Where an authorised payment with these operations stands."""
        if self.total(Kind.VOID, *ASKED):
            is_done = bool(self.total(Kind.VOID, State.DONE))
            return PaymentState.VOIDED if is_done else PaymentState.VOID_PENDING
        if not self.captured:
            is_asked = bool(self.total(Kind.CAPTURE, *ASKED))
            return PaymentState.CAPTURE_PENDING if is_asked else PaymentState.AUTHORISED
        if self.refunded:
            is_all = self.refunded >= self.captured
            return PaymentState.REFUNDED if is_all else PaymentState.PARTIALLY_REFUNDED
        is_all = self.captured >= self.owed
        return PaymentState.CAPTURED if is_all else PaymentState.PARTIALLY_CAPTURED


_OF_PAYMENT = Compiled(lambda payment: Operation.objects.filter(payment_id=payment).order_by("pk"))
_OF_ATTEMPT = Compiled(lambda attempt: Operation.objects.filter(attempt_id=attempt).order_by("pk"))


def operations_of(attempt: Attempt) -> list[Operation]:
    """Return the operations of an attempt, the oldest first."""
    return _OF_ATTEMPT.all(attempt.pk)


def sums_of(payment: Payment) -> Sums:
    """Add up the operations of a payment."""
    sums: Counter[tuple[str, str]] = Counter()
    for operation in _OF_PAYMENT.all(payment.pk):
        sums[operation.kind, operation.state] += operation.amount_minor
    return Sums(payment.amount_minor, sums)


def is_explained(attempt: Attempt, event: str, operation: str = "") -> bool:
    """Whether an operation of ours explains what a provider says has happened: the one that it names, if any.

    The failure of a refund that it names is looked into by that refund's own saga.
    """
    kind = EXPLANATIONS.get(event)
    ours = [each for each in operations_of(attempt) if each.kind == kind]
    named = [each for each in ours if each.reference == operation]
    if named and event == "refund_failed":
        return True
    contrary = State.DONE if event == "refund_failed" else State.REFUSED
    return any(each.state != contrary for each in named or ours)
