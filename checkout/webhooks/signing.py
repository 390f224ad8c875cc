"""Signatures by Standard Webhooks (github.com/standard-webhooks/standard-webhooks, specification 1.0.0).

The signed text is ``<webhook-id>.<webhook-timestamp>.<body>``. ``v1`` is HMAC with SHA-256, which the
receiver verifies with the secret ``whsec_…``. ``v1a`` is Ed25519, which the receiver verifies with the public
key ``whpk_…``. A receiver accepts a webhook if one of the signatures is valid.
"""

import hashlib
import hmac
import secrets
from base64 import b64decode, b64encode
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Self

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

SECRET_PREFIX, PRIVATE_PREFIX, PUBLIC_PREFIX = "whsec_", "whsk_", "whpk_"
SECRET_BYTES = 32


@dataclass(frozen=True, slots=True)
class Keys:
    """The two keys with which one secret of an endpoint signs."""

    hmac_key: bytes = field(repr=False)
    private_key: Ed25519PrivateKey = field(repr=False)

    @classmethod
    def new(cls) -> Self:
        """Return new keys."""
        return cls(secrets.token_bytes(SECRET_BYTES), Ed25519PrivateKey.generate())

    @classmethod
    def of(cls, secret: str, private_key: str) -> Self:
        """Return the keys from the texts that ``secret`` and ``private_text`` return."""
        seed = b64decode(private_key.removeprefix(PRIVATE_PREFIX))
        return cls(b64decode(secret.removeprefix(SECRET_PREFIX)), Ed25519PrivateKey.from_private_bytes(seed))

    @property
    def secret(self) -> str:
        """The secret with which the gateway signs ``v1`` and the receiver verifies it."""
        return SECRET_PREFIX + b64encode(self.hmac_key).decode()

    @property
    def private_text(self) -> str:
        """The key with which the gateway signs ``v1a``. It never leaves the gateway."""
        return PRIVATE_PREFIX + b64encode(self.private_key.private_bytes_raw()).decode()

    @property
    def public_key(self) -> str:
        """The key with which the receiver verifies ``v1a``. It is not secret."""
        return PUBLIC_PREFIX + b64encode(self.private_key.public_key().public_bytes_raw()).decode()

    def sign(self, text: bytes) -> Iterable[str]:
        """Yield the signatures of ``text``."""
        yield f"v1,{b64encode(hmac.digest(self.hmac_key, text, hashlib.sha256)).decode()}"
        yield f"v1a,{b64encode(self.private_key.sign(text)).decode()}"


def headers(message_id: str, timestamp: int, body: bytes, keys: Iterable[Keys]) -> dict[str, str]:
    """Return the three headers of a webhook. ``timestamp`` is the time of the attempt, in epoch seconds."""
    text = f"{message_id}.{timestamp}.".encode() + body
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": " ".join(signature for each in keys for signature in each.sign(text)),
    }
