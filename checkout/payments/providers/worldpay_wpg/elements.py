"""Readers of elements that replies and notifications share: texts, and the payment with card and checks."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from xml.etree.ElementTree import Element

from checkout.money import Money
from checkout.payments.providers.base import CardChecks, CardSummary, ThreeDSecure
from checkout.payments.providers.worldpay_wpg.amounts import read_amount, read_signed_amount
from checkout.payments.providers.worldpay_wpg.codes import brand
from checkout.payments.providers.worldpay_wpg.envelope import UnreadableMessage
from checkout.privacy.scrubbing import scrub_text

MAX_WORD = 100
MAX_PROSE = 200
# The rest of a text need not be scrubbed: it cannot be among the characters that are kept.
_MAX_SCRUBBED = 4_000
_ABSENT = {"", "null"}
# EMV 3DS 2, challenge cancellation indicator: "cardholder selected Cancel". Others are time-outs and errors.
_CARDHOLDER_CANCELLED = "01"


def text(parent: Element | None, path: str) -> str:
    """Return the text at ``path`` without surrounding blanks; empty if there is none."""
    found = parent.findtext(path) if parent is not None else None
    return (found or "").strip()


def attribute(parent: Element | None, path: str, name: str) -> str:
    """Return an attribute of the first element at ``path``; empty if there is none."""
    found = parent.find(path) if parent is not None else None
    return found.get(name, "").strip() if found is not None else ""


def word(value: str) -> str:
    """Return a provider's word as we store it: scrubbed and short. The text ``null`` becomes empty."""
    value = scrub_text(value.strip()[:_MAX_SCRUBBED])[:MAX_WORD]
    return "" if value.casefold() in _ABSENT else value


def prose(value: str) -> str:
    """Return a provider's sentence for staff: scrubbed, on one line, and short."""
    return scrub_text(" ".join(value.split())[:_MAX_SCRUBBED])[:MAX_PROSE]


@dataclass(frozen=True, slots=True)
class PaymentElement:
    """The ``payment`` element of replies and notifications; ``exponents`` are the account's."""

    element: Element
    exponents: Mapping[str, int] = field(default_factory=dict)

    @property
    def event(self) -> str:
        return word(text(self.element, "lastEvent"))

    @property
    def has_several_events(self) -> bool:
        return len(self.element.findall("lastEvent")) > 1

    @property
    def amount(self) -> Money | None:
        return read_amount(self.element, "amount", self.exponents)

    @property
    def balances(self) -> dict[str, Money]:
        """The sums on the provider's accounts, negative where debited. Raises ``UnreadableMessage``."""
        balances: dict[str, Money] = {}
        for balance in self.element.iterfind("balance"):
            account = balance.get("accountType", "").strip()
            money = read_signed_amount(balance, self.exponents)
            if money is None or account in balances:
                raise UnreadableMessage("a balance without amount, or two of one account")
            balances[account] = money
        return balances

    @property
    def references(self) -> tuple[str, ...]:
        """The references of the last event that the payment itself names, the likeliest first."""
        return tuple(
            filter(None, (word(text(self.element, tag)) for tag in ("refundReference", "reference")))
        )

    @property
    def return_code(self) -> tuple[str, str]:
        """The issuer's code and description, from whichever of two elements has them."""
        for tag in ("ISO8583ReturnCode", "IssuerResponseCode"):
            if code := word(attribute(self.element, tag, "code")):
                return code[:50], prose(attribute(self.element, tag, "description"))
        return "", ""

    @property
    def authorisation_id(self) -> str:
        return word(attribute(self.element, "AuthorisationId", "id"))

    @property
    def card(self) -> CardSummary | None:
        """Brand, last four digits and expiry, however much of the number the message contains."""
        detail = self.element.find("paymentMethodDetail/card")
        number = text(self.element, "cardNumber") or (detail.get("number", "") if detail is not None else "")
        digits = re.search(r"[0-9]{4}\s*$", number)
        month, year = (attribute(detail, "expiryDate/date", name) for name in ("month", "year"))
        summary = CardSummary(
            brand=brand(text(self.element, "paymentMethod")),
            last4=digits.group().strip() if digits else "",
            expiry=f"{month.zfill(2)}/{year}" if month.isdecimal() and year.isdecimal() else "",
        )
        return None if summary == CardSummary() else summary

    @property
    def checks(self) -> CardChecks | None:
        checks = CardChecks(
            security_code=word(attribute(self.element, "CVCResultCode", "description")),
            address=word(attribute(self.element, "AVSResultCode", "description")),
        )
        return None if checks == CardChecks() else checks

    @property
    def three_ds(self) -> ThreeDSecure | None:
        found = self.element.find("ThreeDSecureResult")
        if found is None:
            return None
        return ThreeDSecure(
            result=word(found.get("description", "")),
            version=word(text(found, "threeDSVersion")),
            eci=word(text(found, "eci")),
            transaction_id=word(text(found, "dsTransactionId")),
        )

    @property
    def was_cancelled_by_shopper(self) -> bool:
        """Return True if the shopper chose to cancel at the issuer, rather than failed to authenticate."""
        indicator = text(self.element, "ThreeDSecureResult/challengeCancelIndicator")
        return indicator == _CARDHOLDER_CANCELLED
