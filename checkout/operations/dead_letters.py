"""Send a message again that its service gave up on."""

from django.db import transaction
from django.utils import timezone

from checkout.conf import conf
from checkout.errors import OperationRejected
from checkout.messaging import dead_letters
from checkout.messaging.envelope import CAUSATION_ID
from checkout.messaging.topology import Topology
from checkout.messaging.wakeup import wake_relays
from checkout.models import DeadLetter, Fact, OutboxMessage, Payment
from checkout.states import Actor


@transaction.atomic
def requeue_dead_letter(pk: int, *, by: str) -> None:
    """Send the same message, under the same id, once more to where it died; ``by`` is a user's name.

    What was handled all the same is not handled again. A sealed card is gone: its receiver asks for it.
    Raises ``OperationRejected``, with the reason, when there is no such letter, when it was sent again
    already, and when nothing is left of it that could be sent.
    """
    letter = DeadLetter.objects.select_for_update().filter(pk=pk).first()
    if letter is None:
        raise OperationRejected("There is no such dead letter.")
    if letter.requeued_at is not None:
        raise OperationRejected(f"{letter.requeued_by} has sent this message again already.")
    if letter.died_at < timezone.now() - conf.retention:
        raise OperationRejected(
            "This message is so old that nobody remembers any more whether it was handled."
        )
    if not _is_sent_again(letter.message_id):
        _write_anew(letter)
    wake_relays(OutboxMessage)
    letter.requeued_at = timezone.now()
    letter.requeued_by = by[:150]
    letter.save(update_fields=["requeued_at", "requeued_by"])
    payment = Payment.objects.filter(reference=letter.subject).first()
    if payment is not None:
        data = {"by": by, "type": letter.type, "message_id": letter.message_id}
        Fact.objects.create(payment=payment, source=Actor.STAFF, kind="dead_letter_sent_again", data=data)


def _is_sent_again(message_id: str) -> bool:
    """Whether the message was ours to send, and still is in the outbox, unaltered."""
    now = timezone.now()
    found = OutboxMessage.objects.filter(message_id=message_id)
    return bool(found.update(published_at=None, available_at=now, attempts=0, last_error=""))


def _write_anew(letter: DeadLetter) -> None:
    match letter.headers.get(dead_letters.ALTERED):
        case "digest":
            raise OperationRejected("This message could not be read, so nothing of it was kept.")
        case "scrubbed":
            raise OperationRejected(
                "Something secret was taken out of this message: it is not what was sent."
            )
    way = dead_letters.way_back(Topology(conf.prefix), letter.queue, letter.type)
    if way is None:
        raise OperationRejected("Where this message came from is not known.")
    exchange, routing_key = way
    now = timezone.now()
    OutboxMessage.objects.create(
        message_id=letter.message_id,
        exchange=exchange,
        routing_key=routing_key,
        type=letter.type,
        correlation_id=letter.correlation_id,
        reply_to=letter.reply_to,
        subject=letter.subject,
        causation_id=str(letter.headers.get(CAUSATION_ID, ""))[:64],
        body=letter.body,
        headers=letter.headers,
        created_at=now,
        available_at=now,
    )
