"""The token in the address to which the shopper returns from a challenge: one per challenge, never stored.

The database keeps its hash, so that reading the database does not let anybody end a challenge.
"""

import hashlib
from typing import Protocol

from django.utils.crypto import salted_hmac
from django.utils.http import urlsafe_base64_encode

_SALT = "checkout.challenge_token"


class Challenged(Protocol):
    """An attempt, as far as its token goes."""

    @property
    def order_code(self) -> str: ...

    @property
    def challenge_count(self) -> int: ...


def token_for(attempt: Challenged, number: int | None = None) -> str:
    """Return the URL-safe token of the challenge ``number``, counted from 1; of the present one if None."""
    challenge = attempt.challenge_count if number is None else number
    mac = salted_hmac(_SALT, f"{attempt.order_code}:{challenge}", algorithm="sha256")
    return urlsafe_base64_encode(mac.digest())


def hash_of(token: str) -> str:
    """Return what is stored of a token: its SHA-256 in hexadecimal."""
    return hashlib.sha256(token.encode()).hexdigest()
