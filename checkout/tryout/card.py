"""A test card, encrypted in the same way as by the provider's script in the page.

The format is that of ``Worldpay/worldpay-cse-lib-javascript``, ``worldpay-js/worldpay-cse.js``: a compact JWE
with RSA1_5 and A256GCM. The key is ``sequence#exponent#modulus``, with hexadecimal numbers.
"""

import json
import re
import warnings
from dataclasses import dataclass, field
from datetime import UTC, datetime

from joserfc import jwe
from joserfc.errors import SecurityWarning
from joserfc.jwe import JWERegistry
from joserfc.jwk import RSAKey
from joserfc.util import urlsafe_b64encode

PUBLIC_KEY = re.compile(r"\b[0-9]+#[0-9a-fA-F]+#[0-9a-fA-F]{128,}\b")


@dataclass(frozen=True, slots=True)
class Card:
    """A published test card. ``holder`` and ``number`` determine the result in the test systems."""

    holder: str
    number: str = field(default="4444333322221111", repr=False)
    cvc: str = field(default="123", repr=False)

    def sealed(self, public_key: str) -> str:
        """Return the card encrypted for the owner of ``public_key``."""
        sequence, exponent, modulus = public_key.split("#")
        key = RSAKey.import_key({"kty": "RSA", "e": _base64url_of(exponent), "n": _base64url_of(modulus)})
        header = {
            "alg": "RSA1_5",
            "enc": "A256GCM",
            "kid": sequence,
            "com.worldpay.apiVersion": "1.0",
            "com.worldpay.libVersion": "1.0.1",
            "com.worldpay.channel": "javascript",
        }
        claims = {
            "cardNumber": self.number,
            "cvc": self.cvc,
            "expiryMonth": "12",
            "expiryYear": str(datetime.now(UTC).year + 2),
            "cardHolderName": self.holder,
        }
        registry = JWERegistry(algorithms=["RSA1_5", "A256GCM"], strict_check_header=False)
        with warnings.catch_warnings():
            # The provider's script supports no other algorithm.
            warnings.simplefilter("ignore", SecurityWarning)
            return jwe.encrypt_compact(header, json.dumps(claims), key, registry=registry)


def _base64url_of(number: str) -> str:
    return urlsafe_b64encode(bytes.fromhex(number.zfill(len(number) + len(number) % 2))).decode()
