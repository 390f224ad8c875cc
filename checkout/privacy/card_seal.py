"""A card's second seal, which web makes and only the payments service can open.

The provider's script has already encrypted the card for the provider. On the way to the payments service, the
card passes through the broker, which writes it to disk, and through other services. Therefore web encrypts it
once more: AES-256-GCM (NIST SP 800-38D) with a random nonce of 96 bits, under the newest of
``conf.card_keys``. The payments service opens seals made with any of these keys. Attempt and expiry are
authenticated.

A seal is ``seal1.<name of the key>.<expiry in epoch seconds>.<nonce, ciphertext and tag in base64url>``.
"""

import secrets
import time
from base64 import b64decode, urlsafe_b64encode
from binascii import Error as NoBase64

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from checkout.conf import conf
from checkout.errors import CardKeyUnknown, CardNotSealed, CardSealBroken, CardSealExpired

VERSION = "seal1"
NONCE_BYTES = 12


def require_keys() -> None:
    """Raise ``CardKeysMisconfigured`` if the keys for sealing and opening cards are missing or malformed."""
    conf.card_keys  # noqa: B018  reading them checks them


def seal_card(encrypted_card: str, attempt: str) -> str:
    """Return the encrypted card under a second seal for this attempt.

    It expires after ``conf.card_seconds``.
    """
    key = conf.card_keys[0]
    head = f"{VERSION}.{key.name}.{int(time.time() + conf.card_seconds)}"
    nonce = secrets.token_bytes(NONCE_BYTES)
    ciphertext = AESGCM(key.secret).encrypt(nonce, encrypted_card.encode(), _context(head, attempt))
    return f"{head}.{urlsafe_b64encode(nonce + ciphertext).decode()}"


def open_card(sealed: str, attempt: str) -> str:
    """Return the encrypted card from the seal that web made for this attempt. Raises ``CardSealRefused``."""
    version, _, rest = sealed.partition(".")
    name, _, rest = rest.partition(".")
    expiry, _, data = rest.partition(".")
    if version != VERSION:
        raise CardNotSealed("The card does not have the seal of this release's web processes.")
    key = next((key for key in conf.card_keys if key.name == name), None)
    if key is None:
        raise CardKeyUnknown("The card was sealed with a key that CHECKOUT_CARD_KEYS does not list here.")
    try:
        box = b64decode(data, altchars=b"-_", validate=True)
        card = AESGCM(key.secret).decrypt(
            box[:NONCE_BYTES], box[NONCE_BYTES:], _context(f"{version}.{name}.{expiry}", attempt)
        )
    except (InvalidTag, NoBase64, ValueError):
        raise CardSealBroken("The card was sealed for another attempt, or its seal was changed.") from None
    # The seal is authentic, so web has written the expiry.
    if int(expiry) <= time.time():
        raise CardSealExpired("The card came after its seal had expired.")
    return card.decode()


def _context(head: str, attempt: str) -> bytes:
    """Return the data that the seal authenticates without encrypting it."""
    return f"{head}.{attempt}".encode()
