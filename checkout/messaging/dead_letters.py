"""Dead letters: messages that were given up on, kept for inspection without secrets."""

import hashlib

import msgspec
from msgspec.structs import replace

from checkout.messaging.broker import Delivery
from checkout.messaging.envelope import Envelope, encode_body
from checkout.messaging.topology import Topology

# Headers of a dead letter, beside those that it had when it was alive.
SERVICE = "dead-service"
QUEUE = "dead-queue"
REASON = "dead-reason"
ALTERED = "dead-altered"  # how the body differs from the one that was sent: "digest" or "scrubbed"
OWN_HEADERS = frozenset({SERVICE, QUEUE, REASON, ALTERED})

MALFORMED = "malformed"


def of(delivery: Delivery, service: str, reason: str) -> Envelope:
    """The message to keep. A body that is not JSON could be anything, so only its size and digest remain.

    The sealed secret is left out. Headers ``dead-*`` tell where and why. The same message always makes the
    same dead letter, so that two of one are known to be one.
    """
    about = {SERVICE: service, QUEUE: delivery.queue, REASON: reason[:500]}
    original = delivery.envelope
    if original is None:
        return Envelope(
            type=MALFORMED,
            body=_digest(delivery.raw),
            message_id=f"{MALFORMED}-{hashlib.sha256(delivery.raw).hexdigest()[:40]}",
            headers={**about, ALTERED: "digest"},
        )
    is_json = _is_json(original.body)
    return Envelope(
        type=original.type,
        body=original.body if is_json else _digest(original.body),
        message_id=original.message_id,
        correlation_id=original.correlation_id,
        reply_to=original.reply_to,
        timestamp=original.timestamp,
        app_id=original.app_id,
        headers={
            **original.with_sealed("").headers,
            **about,
            **({} if is_json else {ALTERED: "digest"}),
        },
    )


def read(delivery: Delivery) -> Envelope:
    """The dead letter that has arrived, whoever made it.

    The broker's own are messages as they were, secret and all; here they become what a worker of ours would
    have made of them.
    """
    if delivery.envelope is not None and REASON in delivery.envelope.headers:
        return delivery.envelope.with_sealed("")
    queue, reason = "", "nobody says why"
    if delivery.death is not None:
        queue, reason = delivery.death.queue, f"the broker gave up: {delivery.death.reason}"
    return of(replace(delivery, queue=queue), "", reason)


def way_back(topology: Topology, queue: str, type: str) -> tuple[str, str] | None:
    """The exchange and routing key that lead to ``queue``; None when it is none that work waits in."""
    if queue.startswith(f"{topology.commands}."):
        return topology.commands, queue.removeprefix(f"{topology.commands}.")
    if queue.startswith(f"{topology.replies}."):
        return topology.replies, queue
    if queue.startswith(f"{topology.events}."):
        # To all who listen: those that have handled it know its id.
        return topology.events, type
    return None


def _is_json(body: bytes) -> bool:
    try:
        msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return False
    return True


def _digest(body: bytes) -> bytes:
    return encode_body({"bytes": len(body), "sha256": hashlib.sha256(body).hexdigest()})
