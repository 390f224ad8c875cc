"""Commands that a page publishes itself, because it waits for their replies. The relay is the fallback."""

from dataclasses import dataclass

from checkout.messages import Command
from checkout.payments.checkout_messages import AwaitPayment, PaymentStatusReply
from checkout.payments.models import OutboxMessage
from messaging.libraries import typed
from messaging.outbox.models import enqueue

# The sealed card is stored in no table, so the relay can only publish a submission without it, and the
# attempt then ends as not sent. Therefore the relay waits until the message with the card has certainly been
# handled.
CARD_GRACE_SECONDS = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Pending:
    """A command that the caller publishes, and for whose reply it waits.

    ``message_id`` is the id of the command's outbox row, so that the command is handled once, however often
    it is sent. It is empty for a command that only waits, which has no row.
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
    """Write a command for the checkout service to the outbox. The caller publishes it and waits."""
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
    """Return the command with this id, if an earlier call that ended without an answer has written it."""
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
    """Return a command that the checkout service answers as soon as the payment has a state to report."""
    return Pending(payment=reference, command=AwaitPayment(payment=reference))
