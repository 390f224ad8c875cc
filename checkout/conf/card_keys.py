"""The keys of a card's second seal (``card_seal``). The settings list each as 32 bytes in base64."""

import hashlib
from base64 import b64decode
from binascii import Error as NoBase64
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Self

from checkout.errors import CardKeysMisconfigured

KEY_BYTES = 32
# Only these programs need the card keys: web seals cards, and the payments service opens them.
HOLDERS = frozenset({"web", "payments"})
TO_MAKE_ONE = "`openssl rand -base64 32` makes one"


@dataclass(frozen=True, slots=True)
class CardKey:
    """A key and its name. The name is sent in the clear, and reveals nothing about the key."""

    secret: bytes = field(repr=False)
    name: str

    @classmethod
    def of(cls, secret: bytes) -> Self:
        """Return the key with its name."""
        return cls(secret, hashlib.sha256(b"checkout.card_key:" + secret).hexdigest()[:8])


def card_keys_of(texts: Iterable[str]) -> tuple[CardKey, ...]:
    """Return the keys in their order. Raises ``CardKeysMisconfigured``, whose message contains no key."""
    return tuple(_card_key(number, text) for number, text in enumerate(texts, start=1))


def _card_key(number: int, text: str) -> CardKey:
    try:
        secret = b64decode(text, validate=True)
    except (NoBase64, ValueError):
        secret = b""
    if len(secret) != KEY_BYTES:
        raise CardKeysMisconfigured(
            f"Key {number} of CHECKOUT_CARD_KEYS is not {KEY_BYTES} bytes in base64; {TO_MAKE_ONE}."
        )
    return CardKey.of(secret)
