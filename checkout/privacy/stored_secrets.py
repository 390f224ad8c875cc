"""Secrets that the gateway has to read again, sealed before they are written to the database.

AES-256-GCM (NIST SP 800-38D) with a random nonce of 96 bits, under a key that is derived from ``SECRET_KEY``.
Secrets that were sealed under one of ``SECRET_KEY_FALLBACKS`` can still be opened. The purpose and the owner
are authenticated, so that a secret cannot be opened after it was copied to another row. Seals protect copies
of the database. They do not protect against a program that has the key as well.

A seal is ``secret1.<name of the key>.<nonce, ciphertext and tag in base64url>``.
"""

import hashlib
import secrets
from base64 import b64decode, urlsafe_b64encode
from binascii import Error as NoBase64
from functools import lru_cache

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from django.utils.crypto import salted_hmac

from checkout.conf import conf
from checkout.errors import StoredSecretUnreadable

VERSION = "secret1"
NONCE_BYTES = 12


def seal_secret(secret: str, owner: str) -> str:
    """Return ``secret``, sealed for ``owner``."""
    key, name = _key(conf.secret_keys[0])
    head = f"{VERSION}.{name}"
    nonce = secrets.token_bytes(NONCE_BYTES)
    box = nonce + AESGCM(key).encrypt(nonce, secret.encode(), _context(head, owner))
    return f"{head}.{urlsafe_b64encode(box).decode()}"


def open_secret(sealed: str, owner: str) -> str:
    """Return the secret that was sealed for ``owner``. Raises ``StoredSecretUnreadable``."""
    head, _, data = sealed.rpartition(".")
    key = next((key for key, name in map(_key, conf.secret_keys) if head == f"{VERSION}.{name}"), None)
    if key is None:
        raise StoredSecretUnreadable(
            "The secret was sealed under a SECRET_KEY that this process does not have. List that key in "
            "SECRET_KEY_FALLBACKS, or make a new secret."
        )
    try:
        box = b64decode(data, altchars=b"-_", validate=True)
        opened = AESGCM(key).decrypt(box[:NONCE_BYTES], box[NONCE_BYTES:], _context(head, owner))
    except (InvalidTag, NoBase64, ValueError):
        raise StoredSecretUnreadable("The secret belongs to another owner, or was changed.") from None
    return opened.decode()


def is_sealed_with_newest_key(sealed: str) -> bool:
    """Return False if an earlier secret key is needed to open the secret."""
    return sealed.startswith(f"{VERSION}.{_key(conf.secret_keys[0])[1]}.")


@lru_cache(maxsize=16)
def _key(secret_key: str) -> tuple[bytes, str]:
    """Return the key derived from a secret key, and the key's name, which reveals nothing about it."""
    key = salted_hmac("checkout.privacy.stored_secrets", "key", secret_key, algorithm="sha256").digest()
    return key, hashlib.sha256(b"checkout.stored_secrets:" + key).hexdigest()[:8]


def _context(head: str, owner: str) -> bytes:
    return f"{head}.{owner}".encode()
