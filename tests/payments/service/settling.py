"""Operations whose sagas are parked because the provider's answers do not decide the outcome."""

from checkout.payments import service as payments
from checkout.payments.checkout_messages import OperationFound, SettleBooks, StartOperation
from checkout.payments.models import Attempt, Operation, OutboxMessage, Saga
from checkout.payments.sagas.service import service
from checkout.payments.sagas.settlement.matter import seen_of_saga
from checkout.states import PaymentState
from messaging.envelope import Envelope
from tests.payments.service.asking import operation_on
from tests.payments.service.delivering import Delivered, command, deliver
from tests.payments.service.replying import answered
from tests.support.settling import fate, settle_operation


def authorised(attempt: Attempt) -> Attempt:
    """Put the attempt and its payment into the state authorised, and return the attempt."""
    Attempt.objects.filter(pk=attempt.pk).update(state=Attempt.State.AUTHORISED)
    attempt.payment.state = PaymentState.AUTHORISED
    attempt.payment.save()
    attempt.refresh_from_db()
    return attempt


def started(operation: Operation) -> Delivered:
    body = StartOperation(payment=operation.payment.reference, operation=operation.reference)
    return deliver(service, command(body))


def saga_of(operation: Operation) -> Saga:
    return Saga.objects.get(kind=operation.kind, key=operation.reference)


def parked(attempt: Attempt, kind: str, minor: int = 1250) -> Operation:
    """Return an operation whose request got no answer and whose inquiries decided nothing."""
    operation = operation_on(attempt, kind, minor)
    relay(started(operation))
    saga = saga_of(operation)
    while saga.status != Saga.Status.PARKED:
        answered(saga, outcome="unknown")
    operation.refresh_from_db()
    return operation


def relay(delivered: Delivered) -> None:
    """Deliver the commands to the payments service and drop its answers."""
    for envelope in delivered.commands:
        if envelope.type.startswith("payments."):
            deliver(payments.service, envelope)


def to_settle(operation: Operation, *, arrived: bool, seen: str = "") -> Envelope:
    body = SettleBooks(
        payment=operation.payment.reference,
        found=OperationFound(operation=operation.reference, fate=fate(arrived=arrived)),
        seen=seen or seen_of_saga(saga_of(operation)),
        by="ada",
    )
    return command(body)


def decided(operation: Operation, *, arrived: bool, gives_up: bool = False) -> Envelope:
    """Settle the operation as staff do. Return the command that was written to the outbox."""
    reason = "Seen in the portal"
    settle_operation(operation.reference, arrived=arrived, gives_up=gives_up, by="ada", reason=reason)
    row = OutboxMessage.objects.filter(type="checkout.settle_books").latest("pk")
    return Envelope(
        type=row.type, body=row.body.encode(), message_id=row.message_id, headers={"subject": row.subject}
    )
