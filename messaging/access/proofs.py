"""Proofs that a program with the installation's secret key has written a message.

The broker proves which user sends a message. A proof of ours shows more: it stays valid when the relay sends
the message for the program that wrote it, and it cannot be made with the password of a broker user alone. So
a service can check a command although the reason for the command is in a database that the service cannot
read.
"""

from hashlib import sha256

from django.core.signing import Signer
from django.utils.crypto import constant_time_compare
from msgspec.structs import replace

from messaging.envelope import PROOF, Envelope

SALT = "messaging.access.proofs"


def prove(envelope: Envelope) -> Envelope:
    """Return the message with a proof of its id, type, correlation id, reply_to, subject, deadline and body.

    Other headers are not proven. The proof is an HMAC with SHA-256. The id is part of it, so that the inbox
    recognises a copied message.
    """
    proof = Signer(salt=SALT).signature(_content(envelope))
    return replace(envelope, headers={**envelope.headers, PROOF: proof})


def is_proven(envelope: Envelope) -> bool:
    """Return True if the message has its proof, made with the secret key or an earlier one."""
    proof = envelope.headers.get(PROOF)
    if not isinstance(proof, str) or not proof:
        return False
    signer, content = Signer(salt=SALT), _content(envelope)
    keys = [signer.key, *signer.fallback_keys]
    return any(constant_time_compare(proof, signer.signature(content, key)) for key in keys)


def _content(envelope: Envelope) -> str:
    """Return the text to sign. Each part is hashed, so that different parts never give the same text."""
    parts = (
        envelope.message_id,
        envelope.type,
        envelope.correlation_id,
        envelope.reply_to,
        envelope.subject,
        "" if envelope.deadline is None else str(envelope.deadline),
    )
    return ":".join(sha256(part).hexdigest() for part in (*(each.encode() for each in parts), envelope.body))
