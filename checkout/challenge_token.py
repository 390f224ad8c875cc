"""The token in the address to which the shopper returns from a challenge: one per challenge, never stored.

The database keeps its hash, so that reading the database does not let anybody end a challenge.
"""

import hashlib
from typing import Protocol

from django.utils.crypto import salted_hmac
from django.utils.http import urlsafe_base64_encode

from checkout.conf import conf

_SALT = "checkout.challenge_token"


class Challenged(Protocol):
    """An attempt, as far as its token goes."""

    @property
    def order_code(self) -> str: ...

    @property
    def challenge_count(self) -> int: ...


def token_for(attempt: Challenged, number: int | None = None) -> str:
    """Return the URL-safe token of the challenge ``number``, counted from 1; of the present one if None."""
    return tokens_for(attempt, number)[0]


def tokens_for(attempt: Challenged, number: int | None = None) -> list[str]:
    """Return the tokens that the challenge may have: made with the newest secret key, and with older ones."""
    challenge = attempt.challenge_count if number is None else number
    value = f"{attempt.order_code}:{challenge}"
    macs = (salted_hmac(_SALT, value, secret=key, algorithm="sha256") for key in conf.secret_keys)
    return [urlsafe_base64_encode(mac.digest()) for mac in macs]


def hash_of(token: str) -> str:
    """Return what is stored of a token: its SHA-256 in hexadecimal."""
    return hashlib.sha256(token.encode()).hexdigest()
