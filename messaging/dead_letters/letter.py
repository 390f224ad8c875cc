"""Dead letters: messages that were given up, kept for inspection without their secrets."""

import msgspec
from msgspec.structs import replace

from messaging.access.participants import registered
from messaging.cloud_events import AUDIENCE, attributes_of
from messaging.delivery import Delivery
from messaging.envelope import JSON, MAX_BODY_BYTES, Envelope, HeaderValue
from messaging.storable import MALFORMED, cut_headers, digest_of, fitted, has_large_headers
from messaging.topology import Topology

# Headers that a dead letter has in addition to those of its message.
SERVICE = "dead-service"
QUEUE = "dead-queue"
REASON = "dead-reason"
SENDER = "dead-sender"  # the broker user that sent the original message
ALTERED = "dead-altered"  # how the body differs from the one that was sent: "digest" or "scrubbed"
OWN_HEADERS = frozenset({SERVICE, QUEUE, REASON, SENDER, ALTERED})


def of(delivery: Delivery, service: str, reason: str) -> Envelope:
    """Return the dead letter for a delivery that a worker gives up.

    The sealed secret is left out. A body that is not JSON could contain anything, so only its size and digest
    are kept, and so are those of a body over the limit of JSON. Headers over their limit are cut, and then
    nothing more of the body is kept either. The headers ``dead-*`` name the queue, the reason and the sender.
    The same message always yields the same dead letter, so that a duplicate is recognised.
    """
    about: dict[str, HeaderValue] = {SERVICE: service, QUEUE: delivery.queue, REASON: reason[:500]}
    original = delivery.envelope
    if original is None:
        nothing = Envelope(type=MALFORMED, body=digest_of(delivery.raw), message_id="")
        original = fitted(delivery.remains or nothing)
        about[ALTERED] = "digest"
    elif not _can_be_kept(original):
        headers = cut_headers(original.headers)
        original = replace(original, body=digest_of(original.body), headers=headers)
        about[ALTERED] = "digest"
    about[SENDER] = original.user_id
    headers = {**original.with_sealed("").headers, **about}
    # The broker refuses any user id except that of the connection that publishes.
    return replace(original, user_id="", content_type=JSON, headers=headers)


def of_rejected(
    envelope: Envelope, topology: Topology, exchange: str, routing_key: str, why: str
) -> Envelope:
    """Return the dead letter for a message that the broker rejects, so that it never reached a queue."""
    queue = f"{exchange}.{routing_key}" if exchange == topology.commands else routing_key
    return of(Delivery(envelope=envelope, exchange=exchange, routing_key=routing_key, queue=queue), "", why)


def read(delivery: Delivery, topology: Topology) -> Envelope:
    """Return the dead letter that has arrived, whether the broker or a worker made it.

    A message that the broker dead-lettered still has its secret and its body; it is converted to what a
    worker would have made. Its sender is proven. Any participant may publish to the exchange for dead
    letters. So a letter's queue and sender are believed only if the worker that published it reads the queue,
    and headers in the broker's name only if the sender may send to the queue.
    """
    if delivery.envelope is not None and REASON in delivery.envelope.headers:
        return _believed(_made_of_json(delivery.envelope.with_sealed("")), topology)
    queue, reason = "", "nobody says why"
    if delivery.death is not None:
        queue, reason = delivery.death.queue, f"the broker gave up: {delivery.death.reason}"
        if fault := _sender_error(delivery, queue, topology):
            queue, reason = "", f"said to have been in {queue}: {fault}"
    return of(replace(delivery, queue=queue), "", reason)


def _sender_error(delivery: Delivery, queue: str, topology: Topology) -> str:
    table, envelope = registered(), delivery.envelope or delivery.remains
    return "" if table is None or envelope is None else table.fault_of(topology, queue, envelope)


def unreadable(delivery: Delivery) -> Envelope:
    """Return a letter with only the size and digest of the body, for a message that ``read`` fails on."""
    body = delivery.raw if delivery.envelope is None else delivery.envelope.body
    return of(replace(delivery, envelope=None, raw=body, remains=None), "", "the letter cannot be read")


def _made_of_json(letter: Envelope) -> Envelope:
    if _can_be_kept(letter):
        return replace(letter, content_type=JSON)
    headers = {**cut_headers(letter.headers), REASON: letter.headers[REASON], ALTERED: "digest"}
    return replace(letter, content_type=JSON, body=digest_of(letter.body), headers=headers)


def _believed(letter: Envelope, topology: Topology) -> Envelope:
    table = registered()
    if table is None:
        return letter
    writer, queue = table.of_user(topology, letter.user_id), str(letter.headers.get(QUEUE, ""))
    if writer is not None and writer.reads(topology, queue):
        return letter
    reason = f"from {letter.user_id or 'nobody'}, who does not read {queue}: {letter.headers[REASON]}"
    own_word = {QUEUE: "", REASON: reason[:500], SENDER: letter.user_id}
    return replace(letter, headers={**letter.headers, **own_word})


def return_address(topology: Topology, queue: str, letter: Envelope) -> tuple[str, str] | None:
    """Return the exchange and routing key that lead to ``queue``; None if no participant works on it."""
    if queue.startswith(f"{topology.commands}."):
        return topology.commands, queue.removeprefix(f"{topology.commands}.")
    if queue.startswith(f"{topology.replies}."):
        return topology.replies, queue
    if queue.startswith(f"{topology.events}."):
        # The event goes to every listener again; a listener that has handled it recognises its id.
        audience = str(attributes_of(letter).get(AUDIENCE, ""))
        return topology.events, topology.event_key(letter.type, audience)
    return None


def _can_be_kept(message: Envelope) -> bool:
    """Return True if the message's body and headers can be stored as they are."""
    if len(message.body) > MAX_BODY_BYTES or has_large_headers(message.headers):
        return False
    try:
        msgspec.json.decode(message.body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False
    return True
