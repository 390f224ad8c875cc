"""Operations whose saga waits for staff: the reason, and whether they reserve money meanwhile.

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
    """Record why the saga's operation is parked. If ``why`` is empty, it is no longer parked.

    A parked operation reserves no money if the provider cannot have any of its requests, so that the merchant
    can use the money otherwise. It does reserve money if staff may have made it in the provider's portal.
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

    Other operations may have used the money that it stopped reserving.
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
