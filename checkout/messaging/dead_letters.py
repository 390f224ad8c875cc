"""Dead letters: messages that were given up on, kept for inspection without secrets."""

import hashlib

import msgspec

from checkout.messaging.broker import Delivery
from checkout.messaging.envelope import Envelope, encode_body


def of(delivery: Delivery, service: str, reason: str) -> Envelope:
    """The message to keep. A body that is not JSON could be anything, so only its size and digest remain.

    The sealed secret is left out. Headers ``dead-*`` tell where and why.
    """
    about = {"dead-service": service, "dead-queue": delivery.queue, "dead-reason": reason[:500]}
    original = delivery.envelope
    if original is None:
        return Envelope(type="malformed", body=_digest(delivery.raw), headers=about)
    scrubbed = original.with_sealed("")
    return Envelope(
        type=original.type,
        body=original.body if _is_json(original.body) else _digest(original.body),
        message_id=original.message_id,
        correlation_id=original.correlation_id,
        timestamp=original.timestamp,
        app_id=original.app_id,
        headers={**scrubbed.headers, **about},
    )


def _is_json(body: bytes) -> bool:
    try:
        msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return False
    return True


def _digest(body: bytes) -> bytes:
    return encode_body({"bytes": len(body), "sha256": hashlib.sha256(body).hexdigest()})
