"""Operations whose flow waits for staff: why, and whether they reserve money meanwhile.

The payment must be locked.
"""

from checkout.money import Money
from checkout.payments.books.portal import is_perhaps_done_there
from checkout.payments.calls import is_clean
from checkout.payments.locking import invalidate_rows
from checkout.payments.models import Operation, Payment, Saga
from checkout.payments.sagas.operations.opening import operation_of
from checkout.payments.totals import Sums, sums_of
from messaging.compiled_queries import update_in_batch

Kind, State = Operation.Kind, Operation.State
LONGEST: int = Operation._meta.get_field("parked_reason").max_length or 0


def note_parking(saga: Saga, payment: Payment, why: str) -> None:
    """Record why the saga's operation is parked, or that it is not any more if ``why`` is empty.

    A parked one of which nothing can be at the provider reserves no money, so that a merchant can do without
    it; unless it may have been made in the provider's portal instead.
    """
    operation = operation_of(saga, payment)
    if operation is None:
        return
    attempt = saga.attempt
    attempt.payment = payment
    operation.attempt = attempt
    operation.parked_reason = why[:LONGEST]
    operation.is_idle = (
        bool(why)
        and operation.state == State.REQUESTED
        and not operation.doubt
        and is_clean(operation)
        and not is_perhaps_done_there(operation, attempt)
    )
    update_in_batch(operation, "parked_reason", "is_idle")
    invalidate_rows(payment)


def obstacle_to_sending(saga: Saga, payment: Payment) -> str:
    """Return why the operation of a parked saga cannot be sent again; empty if it can.

    Others may have got the money that it does not reserve any more.
    """
    operation = operation_of(saga, payment)
    if operation is None or not operation.is_idle:
        return ""
    sums = sums_of(payment)
    if operation.kind == Kind.VOID:
        stands = "" if sums.can_be_voided else "Since this void stopped, something else was asked for."
        return stands and f"{stands} Withdraw the void, or wait until the other one was refused."
    left = _left(sums, operation.kind)
    if operation.amount_minor <= left:
        return ""
    return (
        f"Since this {operation.kind} stopped, others have got its money: "
        f"{Money(left, operation.currency)} is left to {operation.kind}. Withdraw it instead."
    )


def _left(sums: Sums, kind: str) -> int:
    return sums.left_to_capture if kind == Kind.CAPTURE else sums.left_to_refund
