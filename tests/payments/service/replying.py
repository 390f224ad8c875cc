"""Answer a saga in place of the service for whose reply it waits."""

from typing import Any

from checkout.payments.checkout_messages import ApplyProviderEvent
from checkout.payments.models import Attempt, InboxMessage, OutboxMessage, Payment, Saga
from checkout.payments.sagas.service import service
from messaging.envelope import Envelope, Reply, new_message_id
from messaging.worker.handling import handle
from messaging.worker.message import Message
from tests.payments.service.delivering import TOPOLOGY, Delivered, command, deliver


def reply_to(saga: Saga, reply: Reply) -> Delivered:
    """Deliver ``reply`` to the orchestrator and refresh the saga."""
    saga.refresh_from_db()
    envelope = Envelope(
        type="reply",
        body=reply.encode(),
        message_id=new_message_id(),
        correlation_id=saga.awaiting,
        headers={"subject": saga.payment.reference},
    )
    delivered = deliver_reply(envelope)
    saga.refresh_from_db()
    return delivered


def deliver_reply(envelope: Envelope) -> Delivered:
    message = Message(
        envelope,
        consumer=service.name,
        topology=TOPOLOGY,
        inbox_model=InboxMessage,
        outbox_model=OutboxMessage,
        reply_queue=TOPOLOGY.reply_queue(service.replies).name,
    )
    handler = service.reply_handler
    assert handler is not None
    return Delivered(handle(handler, handler.decode(envelope.body), message), message.pushes)


def notified(attempt: Attempt, kind: str, operation: str = "", *, is_proven: bool = True) -> Delivered:
    """Deliver the event that the payments service has read from a notification to the orchestrator."""
    event = ApplyProviderEvent(
        payment=attempt.payment.reference,
        attempt=attempt.order_code,
        kind=kind,
        operation=operation,
        is_proven=is_proven,
    )
    return deliver(service, command(event))


def answered(saga: Saga, **result: Any) -> Delivered:
    return reply_to(saga, Reply.success(result))


def denied(saga: Saga) -> None:
    """Deny a claim as often as the provider is asked about it."""
    while saga.status == Saga.Status.RUNNING:
        answered(saga, outcome="denied")


def answered_with_an_error(saga: Saga) -> Delivered:
    return reply_to(saga, Reply.failure("broken", "It did not work."))


def state_of(attempt: Attempt) -> str:
    return Payment.objects.get(pk=attempt.payment_id).state


def commands_of(delivered: Delivered) -> list[str]:
    """Return the types of the commands that were sent, without events."""
    return [envelope.type for envelope in delivered.commands if not envelope.type.startswith("payment.")]
