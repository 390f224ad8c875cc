"""Small readings that replies and notifications share: texts, amounts, card, authentication."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from xml.etree.ElementTree import Element

from checkout.money import Money, exponent
from checkout.providers.base import CardChecks, CardSummary, ThreeDSecure
from checkout.providers.worldpay_wpg.codes import brand
from checkout.providers.worldpay_wpg.envelope import UnreadableMessage
from checkout.scrubbing import scrub_text

MAX_WORD = 100
MAX_PROSE = 200
_VALUE = re.compile(r"[0-9]{1,15}")
_ABSENT = {"", "null"}
# EMV 3DS 2, challenge cancellation indicator: "cardholder selected Cancel". Others are time-outs and errors.
_CARDHOLDER_CANCELLED = "01"


def text(parent: Element | None, path: str) -> str:
    """Return the text at ``path`` without blanks around it, or nothing."""
    found = parent.findtext(path) if parent is not None else None
    return (found or "").strip()


def attribute(parent: Element | None, path: str, name: str) -> str:
    """Return an attribute of the first element at ``path``, or nothing."""
    found = parent.find(path) if parent is not None else None
    return found.get(name, "").strip() if found is not None else ""


def word(value: str) -> str:
    """Return a provider's word as we keep it: scrubbed and short; the text ``null`` means nothing."""
    value = scrub_text(value.strip())[:MAX_WORD]
    return "" if value in _ABSENT else value


def prose(value: str) -> str:
    """Return a provider's sentence for staff: scrubbed, on one line, short."""
    return scrub_text(" ".join(value.split()))[:MAX_PROSE]


def amount(parent: Element | None, path: str = "amount") -> Money | None:
    """Return the amount at ``path`` in our minor units, or None when there is none.

    The exponent travels with each amount. Where it differs from ours (HUF and IDR have none in some set-ups)
    the value is converted; raises ``UnreadableMessage`` when that is not exact, or not a number at all.
    """
    found = parent.find(path) if parent is not None else None
    if found is None:
        return None
    value, currency, digits = (found.get(name, "").strip() for name in ("value", "currencyCode", "exponent"))
    if not _VALUE.fullmatch(value) or digits not in {"0", "1", "2", "3", "4"}:
        raise UnreadableMessage("an amount is not a number of minor units with its exponent")
    try:
        ours = exponent(currency)
        minor, remainder = divmod(int(value) * 10**ours, 10 ** int(digits))
        if remainder:
            raise UnreadableMessage(f"{currency} with {digits} decimals does not fit our {ours}")
        return Money(minor, currency)
    except ValueError as error:
        raise UnreadableMessage(str(error)) from error


@dataclass(frozen=True, slots=True)
class PaymentElement:
    """The ``payment`` element of replies and notifications."""

    element: Element

    @property
    def event(self) -> str:
        return word(text(self.element, "lastEvent"))

    @property
    def amount(self) -> Money | None:
        return amount(self.element)

    @property
    def balances(self) -> dict[str, Money]:
        """What lies on which of the provider's accounts; raises ``UnreadableMessage``."""
        return {
            balance.get("accountType", ""): money
            for balance in self.element.iterfind("balance")
            if (money := amount(balance)) is not None
        }

    @property
    def authorisation_id(self) -> str:
        return word(attribute(self.element, "AuthorisationId", "id"))

    @property
    def card(self) -> CardSummary | None:
        """Brand, last four digits and expiry, however much of the number the message shows."""
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
        """Whether the shopper chose to cancel at the issuer, rather than failed there."""
        indicator = text(self.element, "ThreeDSecureResult/challengeCancelIndicator")
        return indicator == _CARDHOLDER_CANCELLED


def journals(parent: Element) -> Iterator[tuple[str, Element]]:
    """Yield the journals below ``parent`` with their types."""
    for journal in parent.iterfind("journal"):
        yield word(journal.get("journalType", "")), journal
