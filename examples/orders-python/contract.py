"""The message contract (docs/messages.md), as far as a service that takes commands needs it."""

import base64
import hashlib
import hmac
import json
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pika import BasicProperties

# These headers are copied to the reply, and no others: the broker obeys some, such as CC.
TRAVELLING = {"traceparent", "tracestate", "baggage", "subject", "sealed"}


class Malformed(Exception):
    """The message breaks the contract. Its sender is told so, and nothing has been done."""


class NotEntitled(Exception):
    """The message comes from a sender who may not send it, who gets no answer."""


@dataclass(frozen=True)
class Names:
    """The names of one service under the installation's prefix."""

    prefix: str
    service: str

    @property
    def queue(self) -> str:
        """The queue of the service's commands."""
        return f"{self.prefix}.commands.{self.service}"

    @property
    def arguments(self) -> dict[str, Any]:
        """The arguments with which the reader of a queue declares it, always the same."""
        return {
            "x-queue-type": "quorum",
            "x-delivery-limit": 20,
            "x-dead-letter-exchange": f"{self.prefix}.dead",
            "x-dead-letter-strategy": "at-least-once",
            "x-overflow": "reject-publish",
            "x-max-length": 100_000,
            "x-consumer-timeout": 600_000,
        }


@dataclass(frozen=True)
class Rights:
    """The senders of this service's commands, the addresses of their answers, and the keys of proofs."""

    users: Sequence[str]
    addresses: Sequence[str]
    keys: Sequence[str]

    def require(self, properties: BasicProperties, body: bytes) -> None:
        """Raise NotEntitled unless the sender may send this, and a program of the gateway has written it.

        The broker has checked ``user_id``. The relay sends what others have written, so the user alone does
        not show who wants it: the proof does.
        """
        if properties.user_id not in self.users:
            raise NotEntitled(f"{properties.user_id or 'nobody'} may not send {properties.type}")
        if properties.reply_to and properties.reply_to not in self.addresses:
            raise NotEntitled(f"{properties.user_id} does not wait for replies at {properties.reply_to}")
        proof = (properties.headers or {}).get("proof")
        if not any(_is_equal(proof, proof_of(properties, body, key)) for key in self.keys):
            raise NotEntitled("the message has no valid proof")


def proof_of(properties: BasicProperties, body: bytes, secret_key: str) -> str:
    """Return the proof that a message with these properties and this body must have."""
    headers = properties.headers or {}
    parts = [
        properties.message_id or "",
        properties.type or "",
        properties.correlation_id or "",
        properties.reply_to or "",
        str(headers.get("subject", "")),
        str(headers.get("deadline", "")),
    ]
    digests = [hashlib.sha256(part).hexdigest() for part in [*(part.encode() for part in parts), body]]
    key = hashlib.sha256(b"messaging.access.proofs" + b"signer" + secret_key.encode()).digest()
    digest = hmac.new(key, ":".join(digests).encode(), hashlib.sha256).digest()
    return base64.urlsafe_b64encode(digest).decode().rstrip("=")


def _is_equal(proof: object, expected: str) -> bool:
    return isinstance(proof, str) and hmac.compare_digest(proof.encode(), expected.encode())


def read(properties: BasicProperties, body: bytes) -> dict[str, Any]:
    """Return the JSON object in the body. Raises Malformed for anything else."""
    if not properties.message_id or len(properties.message_id) > 64:
        raise Malformed("no message_id, or one of more than 64 characters")
    if properties.content_type != "application/json":
        raise Malformed(f"content_type is {properties.content_type}")
    try:
        command = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise Malformed(f"not JSON: {error}") from error
    if not isinstance(command, dict):
        raise Malformed("the body is no JSON object")
    return command


def reply_properties(command: BasicProperties, *, user: str, message_id: str) -> BasicProperties:
    """Return the properties of the reply to a command. The card's seal travels on with the headers."""
    travelling = {name: value for name, value in (command.headers or {}).items() if name in TRAVELLING}
    return BasicProperties(
        type="reply",
        message_id=message_id,
        correlation_id=command.correlation_id,
        user_id=user,
        app_id="orders-python",
        content_type="application/json",
        delivery_mode=2,
        timestamp=int(time.time()),
        headers={**travelling, "schema-version": 1, "causation-id": command.message_id},
    )


def dead_letter(
    command: BasicProperties, body: bytes, *, names: Names, user: str, reason: str
) -> tuple[BasicProperties, bytes]:
    """Return the properties and the body with which a command goes to the dead letters.

    It keeps its id, and loses its seal. A body that is not JSON may be anything, so it is left out.
    """
    headers = {name: value for name, value in (command.headers or {}).items() if name != "sealed"}
    headers |= {
        "dead-service": names.service,
        "dead-queue": names.queue,
        "dead-reason": reason[:500],
        "dead-sender": command.user_id or "",
    }
    try:
        json.loads(body)
    except (ValueError, RecursionError):
        body = json.dumps({"size": len(body), "sha256": hashlib.sha256(body).hexdigest()}).encode()
    return (
        BasicProperties(
            type=command.type or "malformed",
            message_id=command.message_id or str(uuid.uuid4()),
            correlation_id=command.correlation_id,
            reply_to=command.reply_to,
            user_id=user,
            app_id=command.app_id,
            content_type="application/json",
            delivery_mode=2,
            timestamp=command.timestamp,
            headers=headers,
        ),
        body,
    )
