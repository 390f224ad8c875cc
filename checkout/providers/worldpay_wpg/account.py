"""The credentials and options that a Worldpay account needs, by name.

Credentials: ``user``, ``password`` (XML user), ``mac_key``, ``issuer``, ``organisational_unit`` (JWT).
Options: ``device_data_url``, ``challenge_url``, ``encryption_script_url``, and, if wanted,
``encryption_public_key`` (a script may come with its key), ``exponents`` (``HUF=0 IDR=0``),
``challenge_preference``, ``installation_id``, ``lists_orders`` (``yes`` where Worldpay answers inquiries with
a ``dateSearch``).
"""

from collections.abc import Mapping
from dataclasses import dataclass

from checkout.errors import ProviderMisconfigured
from checkout.providers.base import Account, CardEncryption
from checkout.providers.worldpay_wpg.amounts import read_exponents
from checkout.providers.worldpay_wpg.browser import Signer
from checkout.providers.worldpay_wpg.build import PREFERENCES, Setup


@dataclass(frozen=True, slots=True)
class WorldpayAccount:
    """Reads an ``Account``; everything raises ``ProviderMisconfigured`` with the name of what is missing."""

    account: Account

    @property
    def setup(self) -> Setup:
        options = self.account.options
        preference = options.get("challenge_preference", "noPreference")
        if preference not in PREFERENCES:
            raise ProviderMisconfigured(f"The option challenge_preference has {preference!r}.")
        return Setup(
            merchant_code=self.account.merchant_code,
            exponents=read_exponents(options.get("exponents", "")),
            challenge_preference=preference,
            installation_id=options.get("installation_id", ""),
        )

    @property
    def basic_credentials(self) -> tuple[str, str]:
        return self._credential("user"), self._credential("password")

    @property
    def signer(self) -> Signer:
        return Signer(
            issuer=self._credential("issuer"),
            organisational_unit=self._credential("organisational_unit"),
            mac_key=self._credential("mac_key"),
        )

    @property
    def card_encryption(self) -> CardEncryption:
        return CardEncryption(
            script_url=self._option("encryption_script_url"),
            public_key=self.account.options.get("encryption_public_key", ""),
        )

    @property
    def lists_orders(self) -> bool:
        return self.account.options.get("lists_orders") == "yes"

    @property
    def device_data_url(self) -> str:
        return self._option("device_data_url")

    @property
    def challenge_url(self) -> str:
        return self._option("challenge_url")

    def _option(self, name: str) -> str:
        return self._required(self.account.options, "option", name)

    def _credential(self, name: str) -> str:
        return self._required(self.account.credentials, "credential", name)

    def _required(self, values: Mapping[str, str], kind: str, name: str) -> str:
        value = values.get(name, "")
        if not value:
            raise ProviderMisconfigured(f"Account {self.account.code!r} lacks the {kind} {name}.")
        return value
