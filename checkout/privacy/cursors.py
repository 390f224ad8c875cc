"""Cursors of lists: keys of rows, encrypted so that their readers cannot count the rows of others.

All merchants' rows are numbered together, so that a readable key would tell each merchant how much the whole
installation does. AES-SIV (RFC 5297) needs no nonce, and keeps cursors short. Its key is derived from
``SECRET_KEY``, and cursors that were made under one of ``SECRET_KEY_FALLBACKS`` can still be read. The list
and its owner are authenticated, so that a cursor is good for its own list only.
"""

from base64 import b64decode, urlsafe_b64encode
from binascii import Error as NoBase64
from functools import lru_cache

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV
from django.utils.crypto import salted_hmac

from checkout.conf import conf

_KEY_BYTES = 8


def seal_cursor(key: int, *owner: str) -> str:
    """Return the cursor of the row with this primary key, in the list that ``owner`` names."""
    box = _cipher(conf.secret_keys[0]).encrypt(key.to_bytes(_KEY_BYTES, "big"), _context(owner))
    return urlsafe_b64encode(box).decode()


def open_cursor(cursor: str, *owner: str) -> int:
    """Return the primary key. Raises ``ValueError`` for a text that is no cursor of this list."""
    try:
        box = b64decode(cursor.encode(), altchars=b"-_", validate=True)
    except (NoBase64, ValueError):
        raise ValueError("This is not base64url.") from None
    for secret_key in conf.secret_keys:
        try:
            return int.from_bytes(_cipher(secret_key).decrypt(box, _context(owner)), "big")
        except (InvalidTag, ValueError):
            continue
    raise ValueError("This is a cursor of another list, or of an earlier secret key.")


@lru_cache(maxsize=16)
def _cipher(secret_key: str) -> AESSIV:
    return AESSIV(salted_hmac("checkout.privacy.cursors", "key", secret_key, algorithm="sha256").digest())


def _context(owner: tuple[str, ...]) -> list[bytes]:
    return [part.encode() for part in owner]
