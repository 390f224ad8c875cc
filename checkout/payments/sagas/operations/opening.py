"""The rows of the operations that sagas carry out, above all of included captures.

The payment must be locked.
"""

from checkout.messages import Body
from checkout.payments.events import open_operation_once
from checkout.payments.models import Attempt, Fact, Operation, Payment, Saga
from checkout.payments.models.payment import NOTIFIED, PURCHASE
from checkout.payments.providers.base import EventKind
from checkout.payments.sagas.definition import Start
from checkout.payments.sagas.operations.data import OperationData
from checkout.payments.totals import operations_of_payment
from checkout.states import AttemptState
from messaging.compiled_queries import Compiled

State = Operation.State
CAPTURE_TOLD = f"{NOTIFIED}{EventKind.CAPTURED}"

_STATE = Compiled(lambda pk: Attempt.objects.filter(pk=pk).only("state"))
_CAPTURE_NOTICES = Compiled(
    lambda attempt: Fact.objects.filter(attempt_id=attempt, kind=CAPTURE_TOLD).only("data")
)


def open_capture(attempt: Attempt) -> None:
    """Record the included capture of an authorisation that the provider has just given.

    It is recorded together with the authorisation, so that a notification about it finds its operation. If a
    proven notification of the capture came before the provider's answer, the capture is done.
    """
    payment = attempt.payment
    amounts = ("", str(payment.amount))
    is_told = any(
        "not_applied" not in fact.data and fact.data.get("amount", "") in amounts
        for fact in _CAPTURE_NOTICES.all(attempt.pk)
    )
    capture = Operation(
        reference=attempt.capture_reference,
        payment=payment,
        attempt=attempt,
        kind=Operation.Kind.CAPTURE,
        amount_minor=payment.amount_minor,
        currency=payment.currency,
        state=State.DONE if is_told else State.PENDING,
        requested_by=PURCHASE,
    )
    open_operation_once(payment, capture)


def is_contradicted(data: Body, attempt: int, payment: Payment) -> bool:
    """Return True for an included capture whose attempt turned out to contradict the provider meanwhile.

    ``attempt`` is the primary key of the attempt. If staff have settled the contradiction, the capture may be
    recorded under another reference.
    """
    if not (isinstance(data, OperationData) and data.is_included):
        return False
    return _recorded(data, payment) is None or _STATE.get(attempt).state != AttemptState.AUTHORISED


def operation_of_child(child: Start, parent: Saga, payment: Payment) -> Operation | None:
    """Return the operation of a saga that is about to start; None if that saga carries out none.

    The operation is inserted, except for an included capture, which was recorded before and may be settled
    already.
    """
    data = child.data
    if not isinstance(data, OperationData):
        return None
    if data.is_included and (known := _recorded(data, payment)) is not None:
        return known
    operation = Operation(
        reference=data.operation,
        payment=payment,
        attempt_id=parent.attempt_id,
        kind=child.kind,
        amount_minor=data.minor,
        currency=data.currency,
        requested_by=PURCHASE,
    )
    open_operation_once(payment, operation, order_code=data.attempt)
    return operation


def operation_of(saga: Saga, payment: Payment) -> Operation | None:
    """Return the operation that a saga carries out; None if it carries out none."""
    if saga.kind not in Operation.Kind.values:
        return None
    return next((each for each in operations_of_payment(payment) if each.reference == saga.key), None)


def _recorded(data: OperationData, payment: Payment) -> Operation | None:
    return next((each for each in operations_of_payment(payment) if each.reference == data.operation), None)
