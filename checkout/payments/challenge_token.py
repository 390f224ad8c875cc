"""The token in the address to which a shopper returns from a challenge: one per challenge, never stored.

The database keeps only the token's hash, so that a reader of the database cannot end a challenge.
"""

import hashlib
from typing import Protocol

from django.utils.crypto import salted_hmac
from django.utils.http import urlsafe_base64_encode

from checkout.conf import conf

_SALT = "checkout.payments.challenge_token"


class Challenged(Protocol):
    """The fields of an attempt on which its token depends."""

    @property
    def order_code(self) -> str: ...

    @property
    def challenge_count(self) -> int: ...


def token_for(attempt: Challenged) -> str:
    """Return the URL-safe token of the present challenge."""
    return tokens_for(attempt)[0]


def tokens_for(attempt: Challenged, number: int | None = None) -> list[str]:
    """Return all valid tokens of challenge ``number``, counted from 1; by default, of the present one.

    The first token is made with the newest secret key, the others with older keys.
    """
    challenge = attempt.challenge_count if number is None else number
    value = f"{attempt.order_code}:{challenge}"
    macs = (salted_hmac(_SALT, value, secret=key, algorithm="sha256") for key in conf.secret_keys)
    return [urlsafe_base64_encode(mac.digest()) for mac in macs]


def hash_of(token: str) -> str:
    """Return the SHA-256 of a token in hexadecimal, which is stored in its place."""
    return hashlib.sha256(token.encode()).hexdigest()
