"""Send a message of the outbox again, if it may have been lost."""

from django.db import transaction
from django.utils import timezone

from checkout.conf import conf
from checkout.errors import OperationRejected
from checkout.payments.actions.staff.dead_letters import (
    require_valid_proof,
    rows_with_id,
    send_row_again,
    written_event,
)
from checkout.payments.events.log import is_published
from checkout.payments.models import Event, Fact, InboxMessage, OutboxMessage, Payment, SagaStep
from checkout.privacy.scrubbing import scrub_note
from checkout.states import Actor
from messaging.topology import Topology


@transaction.atomic
def send_again(message_id: str, *, by: str, reason: str) -> OutboxMessage:
    """Let the relay publish a message again, with the same id. Record the user and the reason.

    A receiver handles the same id only once. Nevertheless the message is sent only if nothing shows that it
    was handled. Raises ``OperationRejected``, with the reason, if it must not be sent.
    """
    reason = scrub_note(reason)
    if not reason.strip():
        raise OperationRejected("Give a reason for sending the message again.")
    row = _row(message_id)
    _require_that_it_may_be_sent(row)
    send_row_again(row)
    payment = Payment.objects.filter(reference=row.subject).first()
    if payment is not None:
        data = {"by": by[:150], "type": row.type, "message_id": row.message_id, "reason": reason}
        Fact.objects.create(payment=payment, source=Actor.STAFF, kind="message_sent_again", data=data)
    return row


def _row(message_id: str) -> OutboxMessage:
    row = next(rows_with_id(OutboxMessage, message_id), None)
    if row is not None:
        return row
    event = Event.objects.filter(reference=message_id).first()
    if event is None:
        raise OperationRejected("No outbox has a message with this id.")
    if not is_published(event):
        raise OperationRejected("The relay has not published this event yet, and will do so soon.")
    # The relay publishes events from their own table. To be published again, this event goes to the outbox.
    return written_event(message_id)


def _require_that_it_may_be_sent(row: OutboxMessage) -> None:
    topology = Topology(conf.prefix)
    if row.published_at is None and row.available_at > timezone.now():
        raise OperationRejected("The message was not sent yet. The relay sends it when it is due.")
    if row.created_at < timezone.now() - conf.retention:
        raise OperationRejected("The message is so old that no service knows any more if it was handled.")
    if row.exchange == topology.replies and topology.may_go_unheard(row.exchange, row.routing_key):
        raise OperationRejected("The message is a reply to a process that no longer waits for it.")
    if row.carries_sealed:
        raise OperationRejected(
            "The message was sent with a card, which is not stored. Its flow asks again, or asks the shopper."
        )
    handled = next(rows_with_id(InboxMessage, row.message_id), None)
    if handled is not None:
        raise OperationRejected(
            f"{handled.consumer} has handled the message at {handled.handled_at:%Y-%m-%d %H:%M:%S}. "
            "Sending it again would change nothing."
        )
    step = SagaStep.objects.filter(correlation_id=row.correlation_id).first() if row.correlation_id else None
    if step is not None and step.replied_at is not None:
        raise OperationRejected(
            f"The message was answered: {step.outcome}. Sending it again would change nothing."
        )
    if step is not None and step.saga.awaiting != step.correlation_id:
        raise OperationRejected(
            f"The flow no longer waits for an answer to this message. It is at the step {step.saga.step}."
        )
    require_valid_proof(row.envelope())
