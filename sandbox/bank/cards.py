"""Decryption of cards that the encryption script sealed. Only data that may be shown is stored.

Source for key format and claims: the provider's open-source script,
`Worldpay/worldpay-cse-lib-javascript:worldpay-js/worldpay-cse.js`.
"""

import hmac
import json
import os
import warnings
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

from joserfc import jwe
from joserfc.errors import JoseError, SecurityWarning
from joserfc.jwe import JWERegistry
from joserfc.jwk import RSAKey
from joserfc.util import urlsafe_b64decode

from sandbox.scenarios import Outcome, choose

KEY_SEQUENCE = "1"
LAST_YEAR = 9999
# The errors that the library and the conversions raise for data that a shopper may have sealed.
NOT_A_CARD = (JoseError, ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError)
REGISTRY = JWERegistry(
    algorithms=["RSA1_5", "RSA-OAEP", "RSA-OAEP-256", "A256GCM"],
    # The provider's script adds headers of its own, such as com.worldpay.libVersion.
    strict_check_header=False,
)

BRANDS = (
    # Longest prefix first. The second column is the payment method name in the provider's grammar.
    (("5018", "5020", "5038", "6304", "6759", "6761", "6763"), "MAESTRO-SSL"),
    (("6011", "65"), "DISCOVER-SSL"),
    (("34", "37"), "AMEX-SSL"),
    (("30", "36", "38"), "DINERS-SSL"),
    (("35", "3337", "3338"), "JCB-SSL"),
    (("51", "52", "53", "54", "55", "22", "23", "24", "25", "26", "27"), "ECMC-SSL"),
    (("4",), "VISA-SSL"),
)


class UnreadableCard(Exception):
    """The card data cannot be decrypted, or is not that of a card.

    The text is the provider's own, with the number masked (activemerchant, worldpay_test.rb and
    remote_worldpay_test.rb).
    """


class UnopenedCard(UnreadableCard):
    """The card data was not sealed for this key, or was damaged."""


class UnknownBrand(Exception):
    """The number belongs to no known scheme. The text has the first six and last four digits."""


@dataclass(frozen=True, slots=True)
class Card:
    """A card in memory, while one message is being answered."""

    number: str = field(repr=False)
    holder: str = field(repr=False)
    expiry_month: int
    expiry_year: int
    has_cvc: bool

    @property
    def brand(self) -> str:
        return next((name for prefixes, name in BRANDS if self.number.startswith(prefixes)), "")

    @property
    def outcome(self) -> Outcome:
        return choose(self.holder, self.number)

    @property
    def last4(self) -> str:
        return self.number[-4:]

    @property
    def masked(self) -> str:
        return f"{self.number[:4]}{'*' * (len(self.number) - 8)}{self.last4}"

    def check(self) -> None:
        """Check the card.

        Raises UnreadableCard if the number fails Luhn's sum or the card has expired, otherwise UnknownBrand.
        """
        if not (self.number.isascii() and self.number.isdigit() and 12 <= len(self.number) <= 20):
            raise UnreadableCard(f"Card number : {'*' * 16}")
        doubled = (sum(divmod(2 * int(digit), 10)) for digit in self.number[-2::-2])
        if (sum(doubled) + sum(int(digit) for digit in self.number[-1::-2])) % 10:
            raise UnreadableCard(f"Card number : {self.masked}")
        today = datetime.now(UTC)
        is_date = 1 <= self.expiry_month <= 12 and self.expiry_year <= LAST_YEAR
        if not is_date or (self.expiry_year, self.expiry_month) < (today.year, today.month):
            raise UnreadableCard(f"Expiry date = {self.expiry_month}/{self.expiry_year}")
        if not self.brand:
            shown = f"{self.number[:6]}{'*' * (len(self.number) - 10)}{self.last4}"
            raise UnknownBrand(f"Card number not recognised: {shown}")


@cache
def _imported(pem: bytes) -> RSAKey:
    """Return the key pair without a check of it, which takes 50 ms: tests start many sandboxes."""
    return RSAKey.import_key(pem)


class CardKey:
    """The key pair of one sandbox, kept in a file so that cards sealed before a restart can be opened."""

    def __init__(self, file: Path) -> None:
        if not file.exists():
            file.parent.mkdir(parents=True, exist_ok=True)
            pem = RSAKey.generate_key(2048).as_pem(private=True)
            with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as handle:
                handle.write(pem)
        self._key = _imported(file.read_bytes())

    @property
    def seed(self) -> str:
        """A secret for drawing by chance, derived from the key. It stays the same as long as the key does."""
        return hmac.digest(self._key.as_pem(private=True), b"seed of identifiers", "sha256").hex()

    @property
    def public(self) -> str:
        """The argument of `Worldpay.setPublicKey`: `sequence#exponent#modulus`, numbers in hexadecimal."""
        numbers = self._key.as_dict(private=False)
        exponent, modulus = (urlsafe_b64decode(str(numbers[name]).encode()).hex() for name in ("e", "n"))
        return f"{KEY_SEQUENCE}#{exponent.lstrip('0')}#{modulus}"

    def open(self, sealed: str) -> Card:
        """Decrypt a card. Raises UnopenedCard if it was not sealed for this key, or UnreadableCard."""
        try:
            with warnings.catch_warnings():
                # The provider's script seals with RSA1_5, which cannot be configured.
                warnings.simplefilter("ignore", SecurityWarning)
                plaintext = jwe.decrypt_compact(sealed, self._key, registry=REGISTRY).plaintext
        except NOT_A_CARD as error:
            raise UnopenedCard("Encrypted card data cannot be opened") from error
        try:
            claims = json.loads(plaintext or b"")
            return Card(
                number=str(claims["cardNumber"]),
                holder=str(claims["cardHolderName"]),
                expiry_month=int(claims["expiryMonth"]),
                expiry_year=int(claims["expiryYear"]),
                has_cvc=bool(claims.get("cvc")),
            )
        except NOT_A_CARD as error:
            raise UnreadableCard("Encrypted data is not that of a card") from error
