"""Send a dead letter again: a message that its service could not handle."""

from collections.abc import Iterator
from typing import TypeVar

from django.db import DEFAULT_DB_ALIAS, DatabaseError, InterfaceError, transaction
from django.utils import timezone

from checkout.conf import conf
from checkout.database.owners import databases
from checkout.errors import OperationRejected
from checkout.ledger.messages import PostEntries
from checkout.payments.events.log import message_if_possible
from checkout.payments.locking import locked_payment
from checkout.payments.messages import ApplyNotification, DeleteToken
from checkout.payments.models import DeadLetter, Event, Fact, InboxMessage, OutboxMessage, Payment
from checkout.states import Actor
from messaging.access.participants import registered
from messaging.access.proofs import is_proven
from messaging.dead_letters import letter as dead_letters
from messaging.envelope import CAUSATION_ID, PROOF, Envelope
from messaging.outbox.again import publish_again
from messaging.outbox.notify import wake_relays
from messaging.topology import Topology

M = TypeVar("M", InboxMessage, OutboxMessage)

# Commands whose receiver can always see in its own tables if it has carried them out, so that no inbox is
# needed: a posting is made once, a deleted token no longer exists, and an applied notification is marked.
ONCE_FOR_EVER = frozenset({PostEntries.to, DeleteToken.to, ApplyNotification.to})

INSTEAD = (
    "Look at its payment instead. A saga that misses an answer asks again by itself, and a parked saga can "
    "be tried again on its page. If a program of yours sent the message, let that program send a new one. "
    "Then mark this dead letter as dealt with."
)
UNPROVEN = (
    "The proof of this message is valid neither with SECRET_KEY nor with a key in SECRET_KEY_FALLBACKS, so "
    "its receiver would not handle it. If you have removed the key from SECRET_KEY_FALLBACKS, and it has "
    "not been disclosed, put it back and restart the services. Otherwise do not send the message again."
)


@transaction.atomic
def requeue_dead_letter(pk: int, *, by: str) -> None:
    """Send the same message again, with the same id, to the queue where it failed. ``by`` is a user's name.

    An event is published to all listeners again. Each listener ignores the events that it has handled.

    A message that was handled after all is not handled again. It is sent without its sealed card, so a
    submission is refused as ``card_not_received``. Raises ``OperationRejected``, with the reason, if there is
    no such letter, if it was sent again before, or if it cannot or must not be sent. A message that failed
    longer than ``conf.retention`` ago must not be sent, because inboxes no longer contain it, unless its
    receiver needs no inbox (``ONCE_FOR_EVER``).
    """
    letter = DeadLetter.objects.select_for_update().filter(pk=pk).first()
    if letter is None:
        raise OperationRejected("There is no such dead letter.")
    _require_that_it_may_be_repeated(letter)
    row = _sendable(letter)
    if row is not None:
        send_row_again(row)
    elif _is_of_event(letter):
        send_row_again(written_event(letter.message_id))
    else:
        _write_anew(letter, *_way_anew(letter))
    letter.requeued_at = timezone.now()
    letter.requeued_by = by[:150]
    letter.save(update_fields=["requeued_at", "requeued_by"])
    payment = Payment.objects.filter(reference=letter.subject).first()
    if payment is not None:
        data = {"by": by, "type": letter.type, "message_id": letter.message_id}
        Fact.objects.create(payment=payment, source=Actor.STAFF, kind="dead_letter_sent_again", data=data)


def why_not_requeued(letter: DeadLetter) -> str:
    """Return the reason for which the letter cannot be sent again, with advice; empty if it can be."""
    try:
        _require_that_it_may_be_repeated(letter)
        if _sendable(letter) is None and not _is_of_event(letter):
            _way_anew(letter)
    except OperationRejected as refusal:
        return str(refusal)
    return ""


def _require_that_it_may_be_repeated(letter: DeadLetter) -> None:
    if letter.requeued_at is not None:
        raise OperationRejected(f"{letter.requeued_by} has sent this message again already.")
    if letter.died_at < timezone.now() - conf.retention and letter.type not in ONCE_FOR_EVER:
        raise OperationRejected(
            f"This message is so old that no service knows any more if it was handled. {INSTEAD}"
        )


def _sendable(letter: DeadLetter) -> OutboxMessage | None:
    """Return the message's row in an outbox, if the gateway sent it and the row still exists.

    The row of a command that web published has no correlation id. The correlation id of the published message
    belonged to a request that waited in web, and that has ended. Raises ``OperationRejected`` if another
    message was sent with this id.
    """
    rows = list(rows_with_id(OutboxMessage, letter.message_id))
    for row in rows:
        if row.type == letter.type and row.correlation_id in (letter.correlation_id, ""):
            require_valid_proof(row.envelope())
            return row
    if rows:
        raise OperationRejected(
            "Another message was sent with the same id. Its sender must send a new message."
        )
    return None


def _is_of_event(letter: DeadLetter) -> bool:
    """Return True if the message is an event, which is published from its own table."""
    return Event.objects.filter(reference=letter.message_id, type=letter.type).exists()


def written_event(reference: str) -> OutboxMessage:
    """Write an event to the outbox, unless it is there, and return its row. Call this in a transaction.

    The payment is locked first, so that it is not erased between reading the event and the commit.
    Raises ``OperationRejected`` if the event cannot be made into a message.
    """
    events = Event.objects.select_related("payment", "merchant").filter(reference=reference)
    locked_payment(events.get().payment.reference)
    row = message_if_possible(events.get())
    if row is None:
        raise OperationRejected("This event cannot be turned into a message. The log has the reason.")
    # A second letter about this event, or another member of staff, may have inserted it already.
    OutboxMessage.objects.bulk_create([row], ignore_conflicts=True)
    return OutboxMessage.objects.get(message_id=row.message_id)


def rows_with_id(model: type[M], message_id: str) -> Iterator[M]:
    """Yield the rows about a message in the outboxes, or inboxes, of all databases.

    Raises ``OperationRejected`` if one of the databases is away, because it may have such a row.
    """
    for database in databases():
        try:
            yield from model._default_manager.using(database).filter(message_id=message_id)
        except (DatabaseError, InterfaceError) as error:
            raise OperationRejected(
                f"The database {database} is not available, and may contain this message. Try again later."
            ) from error


def require_valid_proof(envelope: Envelope) -> None:
    """Raise ``OperationRejected`` if the message has a proof that its receiver would not accept."""
    if PROOF in envelope.headers and not is_proven(envelope):
        raise OperationRejected(f"{UNPROVEN} {INSTEAD}")


def send_row_again(row: OutboxMessage) -> None:
    """Make an outbox row due, so that the relay publishes it again without changes."""
    database = row._state.db or DEFAULT_DB_ALIAS
    with transaction.atomic(using=database):
        publish_again(OutboxMessage.objects.using(database).filter(pk=row.pk))


def _way_anew(letter: DeadLetter) -> tuple[str, str]:
    """Return the exchange and routing key for a message that is in no outbox.

    Raises ``OperationRejected`` if the stored text is not the original message, if the gateway must not send
    the message, or if its proof is not valid.
    """
    match letter.headers.get(dead_letters.ALTERED):
        case "digest":
            raise OperationRejected(
                f"This message could not be read, so only its size and digest were stored. {INSTEAD}"
            )
        case "scrubbed":
            raise OperationRejected(
                f"A secret was removed from this message, so it is not the original message. {INSTEAD}"
            )
    if not letter.body:
        raise OperationRejected(f"This message was erased with the personal data of its payment. {INSTEAD}")
    topology = Topology(conf.prefix)
    way = dead_letters.return_address(topology, letter.queue, _as_it_was(letter))
    if way is None:
        raise OperationRejected(f"The origin of this message is not known. {INSTEAD}")
    if fault := _sender_error(letter, topology):
        raise OperationRejected(f"{fault} {INSTEAD}")
    require_valid_proof(_as_it_was(letter))
    return way


def _as_it_was(letter: DeadLetter) -> Envelope:
    return Envelope(
        type=letter.type,
        body=letter.body.encode(),
        message_id=letter.message_id,
        correlation_id=letter.correlation_id,
        reply_to=letter.reply_to,
        user_id=letter.sender_user,
        headers=letter.headers,
    )


def _write_anew(letter: DeadLetter, exchange: str, routing_key: str) -> None:
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
    wake_relays(OutboxMessage)


def _may_be_believed(letter: DeadLetter) -> bool:
    """Return True if a message of the relay may be sent again although it is in no outbox.

    A posting must have its proof. The other commands need none, because they only delete the token of a
    removed card or apply a stored notification, and both have to be done in any case.
    """
    if letter.type == PostEntries.to:
        return is_proven(_as_it_was(letter))
    return letter.type in ONCE_FOR_EVER


def _sender_error(letter: DeadLetter, topology: Topology) -> str:
    """Return the reason for which the gateway must not send the message; empty if it may.

    The relay publishes it, and every receiver trusts the relay. Therefore the original sender must have the
    right to send such a message.
    """
    table = registered()
    if table is None:
        return ""
    if not letter.sender_user:
        return (
            "The sender of this message is not proven, because it came without a broker user. The gateway "
            "would send it in its own name, so it is not sent again."
        )
    sender = table.of_user(topology, letter.sender_user)
    if sender is not None and sender.relays and not _may_be_believed(letter):
        return (
            f"{letter.sender_user} only sends messages that are stored in an outbox, and no outbox has this "
            "message. It is not sent again."
        )
    fault = table.fault_of(topology, letter.queue, _as_it_was(letter))
    return f"The sender of this message had no right to send it: {fault}." if fault else ""
