"""Commands that a page publishes itself, so as to wait for their replies. The relay has them in reserve."""

from dataclasses import dataclass

from checkout.messages import Command
from checkout.payments.checkout_messages import AwaitPayment, PaymentStatusReply
from checkout.payments.models import OutboxMessage
from messaging.libraries import typed
from messaging.outbox.models import enqueue

# The sealed card is stored in no table, so the relay can only publish a submission without it, and then the
# attempt ends as not sent. The relay therefore waits until the message with the card has surely been handled.
CARD_GRACE_SECONDS = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Pending:
    """A command for the caller to publish, and to wait for its reply.

    ``message_id`` is that of the command's outbox row, so that it is handled once however often it is sent.
    It is empty for a mere question, which has no row.
    """

    payment: str
    command: Command[PaymentStatusReply]
    message_id: str = ""


def enqueue_command(
    reference: str,
    command: Command[PaymentStatusReply],
    *,
    delay_seconds: float | None = None,
    message_id: str = "",
) -> Pending:
    """Write a command to the checkout service into the outbox. The caller publishes it and waits."""
    row = enqueue(
        OutboxMessage,
        *command.address,
        command,
        subject=reference,
        delay_seconds=delay_seconds,
        message_id=message_id,
    )
    return Pending(payment=reference, command=command, message_id=row.message_id)


def find_enqueued(reference: str, kind: type[Command[PaymentStatusReply]], message_id: str) -> Pending | None:
    """Return the command that a call which ended without an answer has written with this id, if any."""
    if not message_id:
        return None
    body = (
        OutboxMessage.objects.filter(message_id=message_id, type=kind.to)
        .values_list("body", flat=True)
        .first()
    )
    if body is None:
        return None
    command = typed.decode(body, kind)
    return Pending(payment=reference, command=command, message_id=message_id)


def await_payment_command(reference: str) -> Pending:
    """Return a question that the checkout service answers as soon as there is news of the payment."""
    return Pending(payment=reference, command=AwaitPayment(payment=reference))
