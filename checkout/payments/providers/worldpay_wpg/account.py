"""The credentials and options that a Worldpay account needs, by name.

Credentials: ``user``, ``password`` (XML user), ``mac_key``, ``issuer``, ``organisational_unit`` (JWT).
Options: ``device_data_url``, ``challenge_url``, ``encryption_script_url``, and, optionally,
``encryption_script_integrity`` (``sha384-…``, digests, one of which the script must have),
``encryption_public_key`` (a script may come with its key), ``exponents`` (``HUF=0 IDR=0``),
``challenge_preference``, ``installation_id``, ``lists_orders`` (``yes`` if Worldpay answers inquiries with a
``dateSearch``), ``idempotency_keys`` (``off``, ``on`` or ``uuid``: Worldpay arranges them per customer),
``saved_cards`` (``yes`` if Worldpay has enabled tokenisation for the merchant code),
``saves_without_challenge`` (``yes`` if saving a card needs no challenge), ``captures_with_authorisation``
(``yes`` if Worldpay makes the automatic captures), ``refuses_failed_authentication`` (``yes`` if an
authorisation despite a failed 3-D Secure is given up), ``inquiries_at_once`` (``1`` to ``32``: the inquiries
that reconciliation makes at the same time).
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from uuid import UUID, uuid5

from checkout.errors import ProviderMisconfigured
from checkout.payments.providers.addresses import address_error, require_allowed
from checkout.payments.providers.base import Account, CardEncryption
from checkout.payments.providers.worldpay_wpg.amounts import read_exponents
from checkout.payments.providers.worldpay_wpg.browser import Signer
from checkout.payments.providers.worldpay_wpg.build import NAME_TOKEN, PREFERENCES, Setup

# With another value, a request that is sent again would have another key.
_KEY_NAMESPACE = UUID("3022a58e-d90b-4137-82aa-681701d8cb4c")

# The addresses that the shopper's browser loads and posts to.
_ADDRESSES = ("device_data_url", "challenge_url", "encryption_script_url")
_CAPTURES, _REFUSES = "captures_with_authorisation", "refuses_failed_authentication"
_SWITCHES = (_CAPTURES, "lists_orders", _REFUSES, "saved_cards", "saves_without_challenge")
_INSTALLATION_ID = "installation_id"
_TEXTS = (_INSTALLATION_ID, "encryption_public_key")
# With any other name, the whole message would violate the DTD.
_NO_NAME = "has only letters, digits, and . _ : -"
_KEY_FORMS = ("off", "on", "uuid")
_CHOICES = {"challenge_preference": PREFERENCES, "idempotency_keys": _KEY_FORMS}
_SHORTEST_SECRET = 8
_AT_ONCE = "inquiries_at_once"
# The second number is how many connections to an endpoint are kept.
_USUAL_AT_ONCE, _MOST_AT_ONCE = 8, 32
_INTEGRITY = "encryption_script_integrity"
_DIGEST = r"(?:sha256-[\w+/]{43}=|sha384-[\w+/]{64}|sha512-[\w+/]{86}==)"
_DIGESTS = re.compile(rf"{_DIGEST}(?: {_DIGEST})*", re.ASCII)


def account_errors(endpoint: str, options: Mapping[str, object]) -> Iterator[tuple[str, str]]:
    """Yield the faults of an account: the field, ``endpoint`` or ``options``, and a description."""
    if fault := address_error(endpoint):
        yield "endpoint", f"The endpoint {fault}."
    for name in _ADDRESSES:
        if options.get(name, "") != "" and (fault := address_error(options[name])):
            yield "options", f"The option {name} {fault}."
    if fault := _integrity_error(options.get(_INTEGRITY, "")):
        yield "options", f"The option {_INTEGRITY} {fault}."
    for name in _SWITCHES:
        if options.get(name, "no") not in ("yes", "no", ""):
            yield "options", f"The option {name} is yes or no."
    if options.get(_CAPTURES) == options.get(_REFUSES) == "yes":
        yield "options", f"{_REFUSES} needs captures of their own: set {_CAPTURES} to no."
    for name in _TEXTS:
        if not isinstance(options.get(name, ""), str):
            yield "options", f"The option {name} is a text."
    installation_id = options.get(_INSTALLATION_ID, "")
    if isinstance(installation_id, str) and not _is_name(installation_id):
        yield "options", f"The option {_INSTALLATION_ID} {_NO_NAME}."
    for name, known in _CHOICES.items():
        if options.get(name, known[0]) not in known:
            yield "options", f"The option {name} is one of {', '.join(known)}."
    for read, name in ((read_exponents, "exponents"), (_read_at_once, _AT_ONCE)):
        try:
            read(options.get(name, ""))
        except ProviderMisconfigured as error:
            yield "options", str(error)


def _read_at_once(text: object) -> int:
    """Return the option ``inquiries_at_once``. Raises ``ProviderMisconfigured``."""
    if text == "":
        return _USUAL_AT_ONCE
    if not (
        isinstance(text, str) and text.isascii() and text.isdecimal() and 1 <= int(text) <= _MOST_AT_ONCE
    ):
        raise ProviderMisconfigured(f"The option {_AT_ONCE} is a number from 1 to {_MOST_AT_ONCE}.")
    return int(text)


def _is_name(text: str) -> bool:
    return not text or NAME_TOKEN.fullmatch(text) is not None


def _integrity_error(digests: object) -> str:
    if digests == "" or (isinstance(digests, str) and _DIGESTS.fullmatch(digests)):
        return ""
    return "is no digest such as sha384-… in base64, nor several with a blank between them"


@dataclass(frozen=True, slots=True)
class WorldpayAccount:
    """A reader of an ``Account``. Each property raises ``ProviderMisconfigured`` naming what is missing."""

    account: Account

    @property
    def setup(self) -> Setup:
        options = self.account.options
        preference = options.get("challenge_preference", "noPreference")
        if preference not in PREFERENCES:
            raise ProviderMisconfigured(f"The option challenge_preference has {preference!r}.")
        installation_id = options.get(_INSTALLATION_ID, "")
        if not _is_name(self.account.merchant_code):
            raise ProviderMisconfigured(f"The merchant code of a Worldpay account {_NO_NAME}.")
        if not _is_name(installation_id):
            raise ProviderMisconfigured(f"The option {_INSTALLATION_ID} {_NO_NAME}.")
        return Setup(
            merchant_code=self.account.merchant_code,
            exponents=self.exponents,
            challenge_preference=preference,
            saves_without_challenge=options.get("saves_without_challenge") == "yes",
            installation_id=installation_id,
        )

    @property
    def exponents(self) -> Mapping[str, int]:
        return read_exponents(self.account.options.get("exponents", ""))

    def idempotency_headers(self, key: str) -> dict[str, str]:
        """Return the header by which Worldpay recognises a repeated request; none if the option is off."""
        form = self.account.options.get("idempotency_keys", "off")
        if form not in _KEY_FORMS:
            raise ProviderMisconfigured(
                f"The option idempotency_keys has {form!r}; known: {', '.join(_KEY_FORMS)}."
            )
        if form == "off":
            return {}
        return {"Idempotency-Key": key if form == "on" else str(uuid5(_KEY_NAMESPACE, key))}

    @property
    def basic_credentials(self) -> tuple[str, str]:
        return self._credential("user"), self._credential("password")

    @property
    def secrets(self) -> frozenset[str]:
        """The credentials that must not be stored, wherever they stand in a message.

        The user is left out: it is a name, often the merchant code. A text that is part of the merchant code
        is in every message, and a very short text is part of many words. To mask these would reveal more than
        it hides.
        """
        return frozenset(
            value
            for name, value in self.account.credentials.items()
            if name != "user" and len(value) >= _SHORTEST_SECRET and value not in self.account.merchant_code
        )

    @property
    def signer(self) -> Signer:
        return Signer(
            issuer=self._credential("issuer"),
            organisational_unit=self._credential("organisational_unit"),
            mac_key=self._credential("mac_key"),
        )

    @property
    def card_encryption(self) -> CardEncryption:
        integrity = self.account.options.get(_INTEGRITY, "")
        if fault := _integrity_error(integrity):
            raise ProviderMisconfigured(f"The option {_INTEGRITY} {fault}.")
        return CardEncryption(
            script_url=self._address("encryption_script_url"),
            public_key=self.account.options.get("encryption_public_key", ""),
            integrity=integrity,
        )

    @property
    def captures_with_authorisation(self) -> bool:
        return self.account.options.get(_CAPTURES) == "yes"

    @property
    def refuses_failed_authentication(self) -> bool:
        return self.account.options.get(_REFUSES) == "yes"

    @property
    def saves_cards(self) -> bool:
        return self.account.options.get("saved_cards") == "yes"

    @property
    def lists_orders(self) -> bool:
        return self.account.options.get("lists_orders") == "yes"

    @property
    def inquiries_at_once(self) -> int:
        return _read_at_once(self.account.options.get(_AT_ONCE, ""))

    @property
    def device_data_url(self) -> str:
        return self._address("device_data_url")

    @property
    def challenge_url(self) -> str:
        return self._address("challenge_url")

    def _address(self, name: str) -> str:
        return require_allowed(self._required(self.account.options, "option", name), f"option {name}")

    def _credential(self, name: str) -> str:
        return self._required(self.account.credentials, "credential", name)

    def _required(self, values: Mapping[str, str], kind: str, name: str) -> str:
        value = values.get(name, "")
        if not value:
            raise ProviderMisconfigured(f"Account {self.account.code!r} lacks the {kind} {name}.")
        return value
