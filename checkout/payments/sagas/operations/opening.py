"""The operation that a saga carries out for the one that started it. The payment must be locked."""

from checkout.payments.events import open_operation_once
from checkout.payments.models import Operation, Payment, Saga
from checkout.payments.sagas.definition import Start
from checkout.payments.sagas.operations.data import OperationData
from checkout.payments.totals import operations_of_payment


def opened(child: Start, parent: Saga, payment: Payment) -> Operation | None:
    """Return the operation of a saga that is about to start; None if that saga carries out none.

    It is inserted, unless it was recorded before, as a capture is that the provider makes with the
    authorisation. Such a capture may have been settled by a notification already.
    """
    data = child.data
    if not isinstance(data, OperationData):
        return None
    known = operations_of_payment(payment) if data.is_included else ()
    for operation in known:
        if operation.reference == data.operation:
            return operation
    operation = Operation(
        reference=data.operation,
        payment=payment,
        attempt_id=parent.attempt_id,
        kind=child.kind,
        amount_minor=data.minor,
        currency=data.currency,
        state=Operation.State.PENDING if data.is_included else Operation.State.REQUESTED,
        requested_by=parent.kind,
    )
    open_operation_once(payment, operation)
    return operation
