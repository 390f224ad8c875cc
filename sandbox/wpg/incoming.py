"""Reading of a merchant's messages; others are refused with the provider's error codes."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from xml.etree.ElementTree import Element, ParseError

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring

from sandbox.bank.acquirer import WINDOW_CODES, Submission
from sandbox.bank.cards import Card, CardKey, UnopenedCard, UnreadableCard
from sandbox.bank.modifications import Amount
from sandbox.bank.tokens import KeptCard, Tokens
from sandbox.errors import RequestRefused
from sandbox.faults.kinds import Verb
from sandbox.wpg import validation

MAX_ORDER_CODE = 64
# About these currencies the provider's plug-ins and pages contradict ISO 4217, so both exponents are accepted
# (docs/providers.md).
_DISPUTED = "HUF IDR MGA BIF CLP DJF ISK UGX VUV"
# Currencies whose minor unit is not a hundredth (ISO 4217).
EXPONENTS = {
    **dict.fromkeys(
        "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF".split(),
        "0",
    ),
    **dict.fromkeys("BHD IQD JOD KWD LYD OMR TND".split(), "3"),
    **dict.fromkeys(_DISPUTED.split(), "02"),
}
VERBS: dict[str, tuple[tuple[str, Verb], ...]] = {
    "submit/order": (("info3DSecure", "complete"), ("paymentDetails", "submit")),
    "modify/orderModification": (("capture", "capture"), ("refund", "refund"), ("cancel", "cancel")),
    "modify": (("paymentTokenDelete", "delete_token"),),
    "inquiry/orderInquiry": (("dateSearch", "list"), (".", "inquiry")),
}


# The provider also accepts a number of days, after which it captures by itself.
CAPTURE_DELAYS = ("OFF", "DEFAULT", "0")
ACTIONS = ("AUTHORISE", "SALE", "REFUND")
# The form of an order's code: developer.worldpay.com/docs/wpg/hostedintegration/paymentrequests/.
_NOT_IN_ORDER_CODES = re.compile(r"[\s\"'<>|]")
WITHOUT_ORDER = ("list", "delete_token")


@dataclass(frozen=True, slots=True)
class Message:
    """One request: its verb, its order, and the element with the details."""

    merchant_code: str
    verb: Verb
    order_code: str
    element: Element


def read_message(body: bytes) -> Message:
    """Read a message. Raises RequestRefused: 2 for an invalid or unknown message, 5 for a bad order code."""
    try:
        root = fromstring(body)
    except (ParseError, DefusedXmlException, ValueError, LookupError) as error:
        raise RequestRefused(2, "Could not parse the XML of the request") from error
    validation.check(root)
    for path, choices in VERBS.items():
        element = root.find(path)
        for marker, verb in choices:
            if element is not None and element.find(marker) is not None:
                order_code = element.get("orderCode", "")
                if verb not in WITHOUT_ORDER and not 0 < len(order_code) <= MAX_ORDER_CODE:
                    raise RequestRefused(5, f"orderCode must have 1 to {MAX_ORDER_CODE} characters")
                return Message(root.get("merchantCode", ""), verb, order_code, element)
    raise RequestRefused(2, "The request is none of the messages that this sandbox speaks")


def read_period(inquiry: Element) -> tuple[float, float]:
    """Return the start and the end (exclusive), in seconds since the epoch. Raises RequestRefused (2)."""
    dates = (inquiry.find(f"dateSearch/{tag}/date") for tag in ("fromDate", "untilDate"))
    since, until = (_read_date(date) for date in dates)
    return since, until


def _read_date(date: Element | None) -> float:
    """Return a date and time in seconds since the epoch. Dates in the grammar have no zone: UTC."""
    names = ("year", "month", "dayOfMonth", "hour", "minute", "second")
    try:
        parts = [int(date.get(name, "0")) for name in names] if date is not None else []
        return datetime(*parts, tzinfo=UTC).timestamp()  # type: ignore[misc, arg-type]
    except (ValueError, TypeError, OverflowError) as error:
        raise RequestRefused(2, "A date of the search is missing or is none") from error


def read_submission(order: Element, key: CardKey, tokens: Tokens) -> Submission:
    """Read a first message. Raises RequestRefused: 1 token, 2 value, 3 amount, 5 missing data, 7 card."""
    if _NOT_IN_ORDER_CODES.search(order.get("orderCode", "")):
        raise RequestRefused(5, "orderCode has a blank, a quote, <, > or |")
    amount = read_amount(order)
    details = order.find("paymentDetails")
    action = "AUTHORISE" if details is None else details.get("action", "AUTHORISE")
    if action not in ACTIONS:
        raise RequestRefused(5, f"action {action} is none of {', '.join(ACTIONS)}")
    session = order.find("paymentDetails/session")
    shopper = order.findtext("shopper/authenticatedShopperID", "")
    three_ds = order.find("additional3DSData")
    wants_3ds = three_ds is not None
    if wants_3ds and order.find("shopper/browser") is None:
        raise RequestRefused(5, "Browser data is required for 3DS")
    window = "390x400" if three_ds is None else three_ds.get("challengeWindowSize", "390x400")
    if window not in WINDOW_CODES:
        raise RequestRefused(2, "challengeWindowSize has a value that the grammar does not know")
    return Submission(
        order_code=order.get("orderCode", ""),
        description=order.findtext("description", ""),
        amount=amount.value,
        currency=amount.currency,
        exponent=amount.exponent,
        card=_read_kept(details, shopper, tokens) or _read_card(details, key),
        session_id="" if session is None else session.get("id", ""),
        wants_3ds=wants_3ds,
        device_data="" if three_ds is None else three_ds.get("dfReferenceId", ""),
        window=window,
        mandates_challenge=three_ds is not None
        and three_ds.get("challengePreference") == "challengeMandated",
        makes_token=order.find("createToken") is not None,
        shopper=shopper,
        email=order.findtext("shopper/shopperEmailAddress", ""),
        captures=_read_capture_delay(order) == "0" or action == "SALE",
        pays_out=action == "REFUND",
    )


def _read_capture_delay(order: Element) -> str:
    """Return the delay until the capture: `0`, or `OFF` if only a request makes one."""
    delay = order.get("captureDelay", "DEFAULT").upper()
    if delay not in CAPTURE_DELAYS:
        raise RequestRefused(2, f"captureDelay {delay} is none of {', '.join(CAPTURE_DELAYS)}")
    return delay


def read_token(modify: Element) -> tuple[str, str]:
    """Return the token that is to be deleted, and its shopper. Raises RequestRefused (2)."""
    deletion = modify.find("paymentTokenDelete")
    named = "" if deletion is None else deletion.findtext("paymentTokenID", "").strip()
    if deletion is None or not named:
        raise RequestRefused(2, "paymentTokenID is missing")
    return named, deletion.findtext("authenticatedShopperID", "")


def read_amount(parent: Element) -> Amount:
    """Read an amount. Raises RequestRefused (3) unless it is positive and has the currency's own exponent."""
    element = parent.find("amount")
    if element is None:
        raise RequestRefused(3, "Invalid amount: missing")
    value, currency, exponent = (element.get(name, "") for name in ("value", "currencyCode", "exponent"))
    if not re.fullmatch("[0-9]{1,12}", value) or not int(value):
        raise RequestRefused(3, "Invalid amount: value must be a positive whole number of minor units")
    if not (currency.isascii() and currency.isalpha() and currency.isupper() and len(currency) == 3):
        raise RequestRefused(3, "Invalid amount: currencyCode must be three capital letters")
    if len(exponent) != 1 or exponent not in EXPONENTS.get(currency, "2"):
        raise RequestRefused(3, f"Invalid amount: exponent is not the one of {currency}")
    return Amount(int(value), currency, int(exponent))


def _read_kept(details: Element | None, shopper: str, tokens: Tokens) -> KeptCard | None:
    """Return the saved card that a token names; None if the message has no token."""
    named = None if details is None else details.findtext("TOKEN-SSL/paymentTokenID")
    return None if named is None else tokens.find(named.strip(), shopper)


def _opened(sealed: str, key: CardKey) -> Card:
    """Decrypt a card. The text of a refusal is the provider's, as a test of its SDK for Java expects it."""
    try:
        return key.open(sealed.strip())
    except UnopenedCard as error:
        raise RequestRefused(5, "An internal CSE service error has occurred.") from error


def _read_card(details: Element | None, key: CardKey) -> Card:
    sealed = None if details is None else details.findtext("CSE-DATA/encryptedData")
    try:
        if sealed is not None:
            return _opened(sealed, key)
        plain = None if details is None else details.find("*[cardNumber]")
        date = None if plain is None else plain.find("expiryDate/date")
        if plain is None or date is None:
            raise UnreadableCard("No card that this sandbox knows")
        return Card(
            number=plain.findtext("cardNumber", ""),
            holder=plain.findtext("cardHolderName", ""),
            expiry_month=int(date.get("month", "")),
            expiry_year=int(date.get("year", "")),
            has_cvc=bool(plain.findtext("cvc")),
        )
    except ValueError as error:
        raise RequestRefused(7, "Invalid payment details : Expiry date = 0/0000") from error
    except UnreadableCard as error:
        raise RequestRefused(7, f"Invalid payment details : {error}") from error
