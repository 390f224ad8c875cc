"""Sums of a payment's operations by kind, and the state that they give. The payment must be locked."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from checkout.payments.locking import read_once
from checkout.payments.models.payment import Attempt, Operation, Payment
from checkout.states import AttemptState, PaymentState
from messaging.compiled_queries import Compiled

Kind, State = Operation.Kind, Operation.State

# States of operations that were, or may have been, sent to the provider, and whose outcome is not known.
WITHOUT_END = (State.PENDING, State.UNKNOWN)
OPEN = (State.REQUESTED, *WITHOUT_END)
# States of operations that were, or may have been, sent to the provider, and were not refused.
ASKED = (*WITHOUT_END, State.DONE)
ALL_BUT_REFUSED = (State.REQUESTED, *ASKED)
SETTLED = (State.DONE, State.REFUSED)


@dataclass(frozen=True, slots=True)
class Sums:
    """Amounts in minor units of the payment's currency, by kind and state of the operations.

    ``at_risk`` is the amount that disputes claim and that is not booked. It is no part of the operations'
    sums.
    """

    owed: int
    by_kind_and_state: Counter[tuple[str, str]]
    has_final_capture: bool = False
    is_rest_released: bool = False
    at_risk: int = field(default=0, compare=False)

    def total(self, kind: str, *states: str) -> int:
        """Return the sum of all operations of this kind in any of these states."""
        return sum(self.by_kind_and_state[kind, state] for state in states)

    @property
    def captured(self) -> int:
        """The sum that was taken."""
        return self.total(Kind.CAPTURE, State.DONE)

    @property
    def refunded(self) -> int:
        """The sum that was given back."""
        return self.total(Kind.REFUND, State.DONE)

    @property
    def charged_back(self) -> int:
        """The sum that issuers took back, less what they have returned."""
        taken = self.total(Kind.CHARGE_BACK, State.DONE)
        return taken - self.total(Kind.CHARGE_BACK_REVERSAL, State.DONE)

    @property
    def left_to_charge_back(self) -> int:
        """The sum that was taken, and neither given back nor charged back."""
        return max(0, self.captured - self.refunded - self.charged_back)

    @property
    def left_to_capture(self) -> int:
        """The sum that may still be captured, in minor units.

        It is 0 if there is a void, or a final capture, that was not refused, and after the rest was released.
        """
        if self.has_final_capture or self.has_void or self.is_rest_released:
            return 0
        return self.owed - self.total(Kind.CAPTURE, *ALL_BUT_REFUSED)

    @property
    def may_leave_a_rest(self) -> bool:
        """Return True if a part, and not the whole amount, was captured or may have been."""
        return 0 < self.total(Kind.CAPTURE, *ALL_BUT_REFUSED) < self.owed

    @property
    def is_being_captured(self) -> bool:
        """Return True if a capture has no outcome yet."""
        return self.total(Kind.CAPTURE, *OPEN) > 0

    @property
    def left_beside_claims(self) -> int:
        """The sum that could be refunded if no dispute were open.

        It is the money that has certainly been captured, less refunds and charge-backs. It is never negative,
        although a charge-back may take money that a pending refund needs.
        """
        return max(0, self.captured - self.total(Kind.REFUND, *ALL_BUT_REFUSED) - self.charged_back)

    @property
    def dispute_claimed(self) -> int:
        """The part of ``left_beside_claims`` that open disputes claim."""
        return min(self.at_risk, self.left_beside_claims)

    @property
    def left_to_refund(self) -> int:
        """The sum that may still be given back, and that no dispute claims."""
        return self.left_beside_claims - self.dispute_claimed

    @property
    def is_all_being_refunded(self) -> bool:
        """Return True if refunds without an outcome use all that is left."""
        return self.total(Kind.REFUND, *OPEN) > 0 and self.left_beside_claims == 0

    @property
    def can_be_voided(self) -> bool:
        """Return True if no capture and no other void stands in the way."""
        return not (self.total(Kind.CAPTURE, *ALL_BUT_REFUSED) or self.has_void)

    @property
    def has_void(self) -> bool:
        """Return True if a void was requested and not refused."""
        return self.total(Kind.VOID, *ALL_BUT_REFUSED) > 0

    @property
    def state(self) -> PaymentState:
        """The state of an authorised payment with these operations."""
        if self.total(Kind.VOID, *ASKED):
            is_done = bool(self.total(Kind.VOID, State.DONE))
            return PaymentState.VOIDED if is_done else PaymentState.VOID_PENDING
        if not self.captured:
            is_asked = bool(self.total(Kind.CAPTURE, *ASKED))
            return PaymentState.CAPTURE_PENDING if is_asked else PaymentState.AUTHORISED
        if self.charged_back > 0:
            return PaymentState.CHARGED_BACK
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


def operations_under_lock(attempt: Attempt) -> list[Operation]:
    """Return the operations of an attempt whose payment is locked, the oldest first. They are read once."""
    operations = [each for each in operations_of_payment(attempt.payment) if each.attempt_id == attempt.pk]
    for each in operations:
        each.attempt = attempt
    return operations


def operations_of_payment(payment: Payment) -> list[Operation]:
    """Return the operations of a payment, the oldest first."""
    return read_once(payment, "operations", _OF_PAYMENT.all)


def sums_of(payment: Payment) -> Sums:
    """Return the sums of a payment's operations, of those in ``operations_that_count``."""
    return added_up(payment, operations_that_count(payment))


def operations_that_count(payment: Payment) -> Sequence[Operation]:
    """Return the operations of a payment, the oldest first, without voids that say nothing of its money."""
    return without_idle_voids(operations_of_payment(payment), lambda: _authorised_attempts(payment))


def without_idle_voids(
    operations: Sequence[Operation], authorised: Callable[[], Iterable[int]]
) -> Sequence[Operation]:
    """Leave out the voids of attempts that hold nothing if another attempt holds the payment's money.

    A provider may carry an authorisation out hours later. If the shopper has tried again meanwhile, and the
    second attempt was released, its void says nothing about the money that is held now. ``authorised``
    returns the keys of the payment's authorised attempts. It is called only if there is a void.
    """
    voids = [each for each in operations if each.kind == Kind.VOID and each.state != State.REFUSED]
    holding = set(authorised()) if voids else set()
    if not holding:
        return operations
    if holding - {each.attempt_id for each in voids}:
        return [each for each in operations if each not in voids]
    return [each for each in operations if each not in voids or each.attempt_id in holding]


def _authorised_attempts(payment: Payment) -> Iterable[int]:
    return payment.attempts.filter(state=AttemptState.AUTHORISED).values_list("pk", flat=True)


def sums_of_attempt(attempt: Attempt) -> Sums:
    """Add up the operations of one attempt, which the provider knows as an order."""
    return added_up(attempt.payment, operations_of(attempt))


def added_up(payment: Payment, operations: Iterable[Operation]) -> Sums:
    """Add up operations of a payment that have been read already, without those that reserve no money."""
    sums: Counter[tuple[str, str]] = Counter()
    has_final = False
    for operation in operations:
        if operation.is_idle:
            continue
        sums[operation.kind, operation.state] += operation.amount_minor
        has_final = has_final or (operation.is_final and operation.state != State.REFUSED)
    return Sums(
        payment.amount_minor, sums, has_final, payment.is_rest_released, at_risk=payment.at_risk_minor
    )


# States in which money is held or taken, and no conflict has to be settled first.
WITH_MONEY = frozenset(
    {
        PaymentState.AUTHORISED,
        PaymentState.CAPTURE_PENDING,
        PaymentState.PARTIALLY_CAPTURED,
        PaymentState.CAPTURED,
        PaymentState.VOID_PENDING,
        PaymentState.PARTIALLY_REFUNDED,
        PaymentState.REFUNDED,
        PaymentState.CHARGED_BACK,
    }
)


def is_accounted_for(payment: Payment, sums: Sums) -> bool:
    """Return True if the payment's operations account for all of its money, so that more may be requested.

    A charge-back whose amount is not known yet has no operation, so they do not.
    """
    is_booked = payment.state != PaymentState.CHARGED_BACK or sums.charged_back > 0
    return payment.state in WITH_MONEY and is_booked


def is_stuck(payment: Payment, sums: Sums) -> bool:
    """Return True if a purchase could not release its authorisation so far, although it has to.

    Its automatic capture was refused, or its own void was.
    """
    has_failed = sums.total(Kind.CAPTURE, State.REFUSED) or sums.total(Kind.VOID, State.REFUSED)
    return payment.state == PaymentState.CONFIRMING and bool(has_failed)


def is_given_back(payment: Payment) -> bool:
    """Return True if all money of a payment went back, also by issuers, and no more of it is being taken."""
    sums = sums_of(payment)
    has_gone_back = payment.state in (PaymentState.REFUNDED, PaymentState.CHARGED_BACK)
    return has_gone_back and not (sums.left_to_charge_back or sums.is_being_captured)


def is_kept(payment: Payment) -> bool:
    """Return True if money of a payment was taken, some of it is kept, and nothing is open.

    No capture or void is under way, and the payment is not in conflict.
    """
    sums = sums_of(payment)
    is_at_rest = not (sums.is_being_captured or sums.has_void)
    return is_accounted_for(payment, sums) and sums.left_to_charge_back > 0 and is_at_rest
