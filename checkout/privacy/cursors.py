"""Cursors of lists: primary keys of rows, encrypted so that clients cannot count rows of others.

The rows of all merchants are numbered together, so a readable key would show the volume of the whole
installation. AES-SIV (RFC 5297) needs no nonce, and keeps cursors short. Its key is derived from
``SECRET_KEY``, and cursors that were made under one of ``SECRET_KEY_FALLBACKS`` can still be read. The list
and its owner are authenticated, so that a cursor is valid for its own list only.
"""

from base64 import b64decode, urlsafe_b64encode
from binascii import Error as NoBase64
from collections.abc import Sequence
from functools import lru_cache

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV
from django.utils.crypto import salted_hmac

from checkout.conf import conf

_NUMBER_BYTES = 8


def seal_cursor(key: int, *owner: str) -> str:
    """Return the cursor of the row with this primary key, in the list that ``owner`` names."""
    return seal_numbers([key], *owner)


def seal_numbers(numbers: Sequence[int], *owner: str) -> str:
    """Return a cursor with several numbers. The first number is the primary key."""
    content = b"".join(number.to_bytes(_NUMBER_BYTES, "big") for number in numbers)
    return urlsafe_b64encode(_cipher(conf.secret_keys[0]).encrypt(content, _context(owner))).decode()


def open_numbers(cursor: str, *owner: str) -> list[int]:
    """Return the numbers in a cursor. Raises ``ValueError`` for a text that is no cursor of this list."""
    try:
        box = b64decode(cursor.encode(), altchars=b"-_", validate=True)
    except (NoBase64, ValueError):
        raise ValueError("This is not base64url.") from None
    for secret_key in conf.secret_keys:
        try:
            content = _cipher(secret_key).decrypt(box, _context(owner))
        except (InvalidTag, ValueError):
            continue
        starts = range(0, len(content), _NUMBER_BYTES)
        return [int.from_bytes(content[start : start + _NUMBER_BYTES], "big") for start in starts]
    raise ValueError("This is a cursor of another list, or of an earlier secret key.")


@lru_cache(maxsize=16)
def _cipher(secret_key: str) -> AESSIV:
    return AESSIV(salted_hmac("checkout.privacy.cursors", "key", secret_key, algorithm="sha256").digest())


def _context(owner: tuple[str, ...]) -> list[bytes]:
    return [part.encode() for part in owner]
