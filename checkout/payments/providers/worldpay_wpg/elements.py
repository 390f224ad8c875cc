"""Readers of elements that replies and notifications share: texts, and the payment with card and checks."""

import re
from calendar import monthrange
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from xml.etree.ElementTree import Element

from checkout.money import Money
from checkout.payments.providers.authentication import ThreeDSecure
from checkout.payments.providers.base import CardChecks, CardSummary
from checkout.payments.providers.saved_cards import IssuedToken
from checkout.payments.providers.worldpay_wpg.amounts import read_amount, read_signed_amount
from checkout.payments.providers.worldpay_wpg.codes import authentication_of, brand
from checkout.payments.providers.worldpay_wpg.envelope import UnreadableMessage
from checkout.privacy.scrubbing import scrub_text, scrub_value

MAX_WORD = 100
MAX_PROSE = 200
# The rest of a text need not be scrubbed: it contributes none of the characters that are kept.
_MAX_SCRUBBED = 4_000
_ABSENT = {"", "null"}
# EMV 3DS 2, challenge cancellation indicator: "cardholder selected Cancel". Others are time-outs and errors.
_CARDHOLDER_CANCELLED = "01"
# Worldpay's tokens are letters and digits, in one of four forms. Some look like card numbers.
_TOKEN = re.compile(r"[A-Za-z0-9]{1,64}")
_MONTH, _YEAR = re.compile("0?[1-9]|1[0-2]"), re.compile("[0-9]{4}")
# At most 56 letters, digits and blanks. Mastercard's new identifiers, which are to replace the old ones, also
# have hyphens and underscores (docs.worldpay.com/access/products/payments/enable-features/mastercard-tlid).
_SCHEME_TRANSACTION = re.compile(r"[A-Za-z0-9 _-]{1,56}")
# A new token, or the one that the same card of this customer has already, which then gets the new details.
# With CONFLICT, the stored details differ from this payment's. If the expiry is the same, only the name or
# the address was written in another way
# (developer.worldpay.com/docs/access-worldpay/api/references/tokens/token/conflicts/). Otherwise the card may
# have been issued anew.
_CONFLICT = "CONFLICT"
_KEPT = {"NEW", "MATCH", _CONFLICT}


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
    value = scrub_value(value.strip()[:_MAX_SCRUBBED])[:MAX_WORD]
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
        """The references of the last event in the payment element itself, the likeliest first."""
        return tuple(
            filter(None, (word(text(self.element, tag)) for tag in ("refundReference", "reference")))
        )

    @property
    def return_code(self) -> tuple[str, str, bool]:
        """The issuer's code and description, and True if it is the scheme's own code, not one of ISO 8583."""
        for tag, is_raw in (("ISO8583ReturnCode", False), ("IssuerResponseCode", True)):
            if code := word(attribute(self.element, tag, "code")):
                return code[:50], prose(attribute(self.element, tag, "description")), is_raw
        return "", "", False

    @property
    def brand(self) -> str:
        return brand(text(self.element, "paymentMethod"))

    @property
    def authorisation_id(self) -> str:
        return word(attribute(self.element, "AuthorisationId", "id"))

    @property
    def card(self) -> CardSummary | None:
        """Brand, last four digits and expiry, whether or not the message contains the whole number."""
        detail = self.element.find("paymentMethodDetail/card")
        number = text(self.element, "cardNumber") or (detail.get("number", "") if detail is not None else "")
        digits = re.search(r"[0-9]{4}\s*$", number)
        month, year = (attribute(detail, "expiryDate/date", name) for name in ("month", "year"))
        summary = CardSummary(
            brand=self.brand,
            last4=digits.group().strip() if digits else "",
            expiry=f"{month.zfill(2)}/{year}" if _MONTH.fullmatch(month) and _YEAR.fullmatch(year) else "",
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
        result, eci = word(found.get("description", "")), word(text(found, "eci"))
        return ThreeDSecure(
            result=result,
            status=authentication_of(result, eci),
            version=word(text(found, "threeDSVersion")),
            eci=eci,
            transaction_id=word(text(found, "dsTransactionId")),
        )

    @property
    def was_cancelled_by_shopper(self) -> bool:
        """Return True if the shopper cancelled at the issuer, instead of failing to authenticate."""
        indicator = text(self.element, "ThreeDSecureResult/challengeCancelIndicator")
        return indicator == _CARDHOLDER_CANCELLED


def read_token(status: Element, payment: PaymentElement) -> tuple[IssuedToken | None, str]:
    """Return the token that was made with an order, or the reason why it cannot be used.

    The token is read apart from the payment, so that a faulty token changes no outcome.
    """
    found = status.findall("token")
    if not found:
        return None, ""
    if len(found) > 1:
        return None, "several tokens"
    if (error := found[0].find("error")) is not None:
        return None, prose(f"error {error.get('code', '')}: {''.join(error.itertext())}")
    return _readable_token(found[0], payment)


def _readable_token(token: Element, payment: PaymentElement) -> tuple[IssuedToken | None, str]:
    details = token.findall("tokenDetails")
    event = word(attribute(token, "tokenDetails", "tokenEvent"))
    if len(details) != 1 or event not in _KEPT:
        return None, f"token event {event or 'missing'}"
    name = text(details[0], "paymentTokenID")
    if not _TOKEN.fullmatch(name):
        return None, "no readable name of the token"
    valid_until = _date(details[0].find("paymentTokenExpiry/date"))
    card = token.find("paymentInstrument/cardDetails")
    expires = _date(card.find("expiryDate/date")) if card is not None else None
    if valid_until is None or card is None or expires is None:
        return None, "no expiry of the token, or none of the card"
    digits = re.search(r"[0-9]{4}\Z", text(card, "derived/obfuscatedPAN") or text(card, "cardNumber"))
    of_payment = payment.card or CardSummary()
    last4 = digits.group() if digits else ""
    if not last4 or (of_payment.last4 and of_payment.last4 != last4):
        return None, "no last digits of the card, or those of another"
    scheme = text(payment.element, "schemeResponse/transactionIdentifier") or text(
        token, "schemeResponse/transactionIdentifier"
    )
    expiry = f"{expires:%m/%Y}"
    if event == _CONFLICT and of_payment.expiry != expiry:
        return None, f"token event {event}"
    issued = IssuedToken(
        token=name,
        brand=of_payment.brand or brand(text(card, "derived/cardBrand")),
        last4=last4,
        expiry=expiry,
        valid_until=valid_until,
        scheme_transaction=scheme if _SCHEME_TRANSACTION.fullmatch(scheme) else "",
    )
    return issued, ""


def _date(element: Element | None) -> date | None:
    """Return a date. If it has no day, as a card's expiry, it is the last day of the month."""
    if element is None:
        return None
    day, month, year = (element.get(name, "").strip() for name in ("dayOfMonth", "month", "year"))
    if not all(re.fullmatch("[0-9]{1,4}", part) for part in (day or "1", month, year)):
        return None
    try:
        return date(int(year), int(month), int(day) if day else monthrange(int(year), int(month))[1])
    except ValueError:
        return None
