"""Write WPG messages: from values to bytes. The order of elements is that of paymentService_v1.dtd."""

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from xml.etree.ElementTree import Element, SubElement, tostring

from checkout.money import Money
from checkout.payments.providers.base import (
    Authorisation,
    Browser,
    ChallengeCompletion,
    Modification,
    OrderCodeNotSendable,
)
from checkout.payments.providers.saved_cards import KeptToken, StoredCard
from checkout.payments.providers.worldpay_wpg import amounts

_PROLOGUE = (
    b'<?xml version="1.0" encoding="UTF-8"?>\n'
    b'<!DOCTYPE paymentService PUBLIC "-//WorldPay//DTD WorldPay PaymentService v1//EN"'
    b' "http://dtd.worldpay.com/paymentService_v1.dtd">\n'
)
# At most 64 characters. Worldpay does not keep blanks, quotes, | and angle brackets (activemerchant,
# worldpay.rb clean_order_id). Only a code below 50 characters reaches Cardinal complete.
_ORDER_CODE = re.compile(r"[^\s|<>\"'\x00-\x1f\x7f]{1,64}")
_TWO_LETTERS = re.compile("[a-z]{2}")
NAME_TOKEN = re.compile(r"[A-Za-z0-9._:-]{1,64}")
_NOT_IN_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")

# Tokens of a shopper are bound to one customer; those of a merchant are shared by all who pay with the card.
SCOPE = "shopper"
WINDOWS = ("250x400", "390x400", "500x600", "600x400", "fullPage")
DEFAULT_WINDOW = "390x400"
MANDATED = "challengeMandated"
PREFERENCES = (
    "noPreference",
    "noChallengeRequested",
    "challengeRequested",
    MANDATED,
    "SCAAlreadyPerformed",
    "TRAAlreadyPerformed",
    "dataOnly",
)
# EMV 3DS 2 knows only these depths. Devices report others (30 is common), and strict issuers refuse them.
_COLOUR_DEPTHS = (48, 32, 24, 16, 15, 8, 4, 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """The settings that all messages of an account share."""

    merchant_code: str
    exponents: Mapping[str, int] = field(default_factory=dict)
    challenge_preference: str = "noPreference"
    saves_without_challenge: bool = False
    installation_id: str = ""


def authorisation(request: Authorisation, setup: Setup) -> bytes:
    """Return the first message: the order, the card, and the browser data for 3-D Secure.

    If a stored card is charged without a shopper, there is no browser, and no challenge is possible.
    """
    service, order = _order(setup, request.order_code)
    if setup.installation_id:
        order.set("installationId", setup.installation_id)
    if language := _language(request.language):
        order.set("shopperLanguageCode", language)
    # Without the attribute, the delay that the merchant has chosen in Worldpay's portal would apply.
    order.set("captureDelay", "0" if request.captures else "OFF")
    _add(order, "description", request.description, 50)
    _amount(order, request.amount, setup)
    details = SubElement(order, "paymentDetails")
    stored = request.stored_card
    customer = stored.shopper if stored is not None else request.saves_for
    if stored is not None:
        _stored_card(details, stored)
    else:
        _add(SubElement(details, "CSE-DATA"), "encryptedData", request.sealed_card)
    if stored is not None and stored.reason is not None:
        _shopper(order, request, customer)
        return _document(service)
    if request.saves_for:
        SubElement(details, "storedCredentials", usage="FIRST")
    session = SubElement(details, "session")
    if address := _ip_address(request.browser.ip_address):
        session.set("shopperIPAddress", address)
    session.set("id", _name_token(request.session_id))
    _browser(_shopper(order, request, customer), request.browser)
    if request.saves_for:
        # The token belongs to the shopper: another customer with the same card gets another one.
        SubElement(order, "createToken", tokenScope=SCOPE)
    _three_ds(order, request, setup)
    return _document(service)


def _language(locale: str) -> str:
    """Return the two-letter language of the provider's e-mails and pages; English for Welsh."""
    code = locale.partition("-")[0].lower()
    return "en" if code == "cy" else code if _TWO_LETTERS.fullmatch(code) else ""


def _stored_card(details: Element, card: StoredCard) -> None:
    token = SubElement(details, "TOKEN-SSL", tokenScope=SCOPE)
    _add(token, "paymentTokenID", card.token)
    credentials = SubElement(details, "storedCredentials", usage="USED")
    if card.reason is None:
        return
    credentials.set("merchantInitiatedReason", card.reason.upper())
    if card.scheme_transaction:
        _add(credentials, "schemeTransactionIdentifier", card.scheme_transaction)


def _shopper(order: Element, request: Authorisation, customer: str) -> Element:
    shopper = SubElement(order, "shopper")
    if request.shopper_email:
        _add(shopper, "shopperEmailAddress", request.shopper_email, 255)
    if customer:
        _add(shopper, "authenticatedShopperID", customer, 64)
    return shopper


def completion(request: ChallengeCompletion, setup: Setup) -> bytes:
    """Return the second message: the same order and session, and the fact that the challenge is over."""
    service, order = _order(setup, request.order_code)
    info = SubElement(order, "info3DSecure")
    SubElement(info, "completedAuthentication")
    SubElement(order, "session", id=_name_token(request.session_id))
    return _document(service)


def capture(request: Modification, setup: Setup) -> bytes:
    """Return the message that captures ``amount`` of an authorised order."""
    service, modification = _modification(setup, request.order_code)
    capture_element = SubElement(modification, "capture", reference=_clean(request.reference))
    _amount(capture_element, request.amount, setup)
    return _document(service)


def cancel(request: Modification, setup: Setup) -> bytes:
    """Return the message that releases an authorised order."""
    service, modification = _modification(setup, request.order_code)
    SubElement(modification, "cancel")
    return _document(service)


def refund(request: Modification, setup: Setup) -> bytes:
    """Return the message that refunds ``amount`` of a captured order."""
    service, modification = _modification(setup, request.order_code)
    refund_element = SubElement(modification, "refund", reference=_clean(request.reference))
    _amount(refund_element, request.amount, setup)
    return _document(service)


def token_deletion(kept: KeptToken, setup: Setup) -> bytes:
    """Return the message that deletes a token, with the scope and the shopper for which it was made."""
    service = _service(setup)
    deletion = SubElement(SubElement(service, "modify"), "paymentTokenDelete", tokenScope=SCOPE)
    _add(deletion, "paymentTokenID", kept.token)
    _add(deletion, "authenticatedShopperID", kept.shopper, 64)
    return _document(service)


def inquiry(order_code: str, setup: Setup) -> bytes:
    """Return the inquiry for an order's last event."""
    service = _service(setup)
    SubElement(SubElement(service, "inquiry"), "orderInquiry", orderCode=_order_code(order_code))
    return _document(service)


def listing(since: datetime, until: datetime, setup: Setup) -> bytes:
    """Return the inquiry for all orders of a period: ``dateSearch`` in the DTD, in seconds and UTC."""
    service = _service(setup)
    search = SubElement(SubElement(SubElement(service, "inquiry"), "orderInquiry"), "dateSearch")
    for tag, moment in (("fromDate", since), ("untilDate", until)):
        SubElement(SubElement(search, tag), "date", _date(moment.astimezone(UTC)))
    return _document(service)


def _date(moment: datetime) -> dict[str, str]:
    parts = {"dayOfMonth": "%d", "month": "%m", "year": "%Y", "hour": "%H", "minute": "%M", "second": "%S"}
    return {name: moment.strftime(form) for name, form in parts.items()}


def _service(setup: Setup) -> Element:
    return Element("paymentService", version="1.4", merchantCode=setup.merchant_code)


def _order(setup: Setup, order_code: str) -> tuple[Element, Element]:
    service = _service(setup)
    return service, SubElement(SubElement(service, "submit"), "order", orderCode=_order_code(order_code))


def _modification(setup: Setup, order_code: str) -> tuple[Element, Element]:
    service = _service(setup)
    parent = SubElement(service, "modify")
    return service, SubElement(parent, "orderModification", orderCode=_order_code(order_code))


def _amount(parent: Element, money: Money, setup: Setup) -> None:
    SubElement(parent, "amount", amounts.attributes(money, setup.exponents))


def _browser(shopper: Element, browser: Browser) -> None:
    """Add the browser's data. Without JavaScript only its headers are known."""
    element = SubElement(shopper, "browser")
    _add(element, "acceptHeader", browser.accept_header or "*/*", 2_048)
    _add(element, "userAgentHeader", browser.user_agent or "unknown", 2_048)
    if browser.javascript_enabled and re.fullmatch(r"[+-]?\d{1,4}", browser.time_zone):
        _add(element, "timeZone", browser.time_zone, 5)
    if browser.language:
        _add(element, "browserLanguage", browser.language, 8)
    if browser.javascript_enabled:
        _add(element, "browserJavaEnabled", _boolean(browser.java_enabled), 5)
    _add(element, "browserJavaScriptEnabled", _boolean(browser.javascript_enabled), 5)
    if browser.javascript_enabled:
        for name, value in (
            ("browserColourDepth", _colour_depth(browser.colour_depth)),
            ("browserScreenHeight", browser.screen_height),
            ("browserScreenWidth", browser.screen_width),
        ):
            if value is not None and 0 < value < 1_000_000:
                _add(element, name, str(value), 6)


def _three_ds(order: Element, request: Authorisation, setup: Setup) -> None:
    """Add the data of 3-D Secure. ``javaScriptEnabled`` needs device data (alphagov/pay-connector, non-JS).

    A card that is saved for charges without the shopper must be authenticated with a challenge, or issuers
    refuse these charges later (developer.worldpay.com, Access, stored cards: sequence of the first payment).
    """
    is_mandated = request.demands_challenge or (request.saves_for and not setup.saves_without_challenge)
    scripted = request.browser.javascript_enabled and bool(request.device_data_reference)
    window = request.challenge_window if request.challenge_window in WINDOWS else DEFAULT_WINDOW
    SubElement(
        order,
        "additional3DSData",
        dfReferenceId=_clean(request.device_data_reference)[:200],
        challengeWindowSize=window,
        challengePreference=MANDATED if is_mandated else setup.challenge_preference,
        javaScriptEnabled=_boolean(scripted),
    )


def _colour_depth(reported: int | None) -> int | None:
    return next((depth for depth in _COLOUR_DEPTHS if reported is not None and depth <= reported), None)


def _ip_address(reported: str) -> str:
    """Return a valid IP address without its zone, or "": any other text would make the message invalid."""
    try:
        return str(ipaddress.ip_address(reported.partition("%")[0]))
    except ValueError:
        return ""


def _boolean(value: bool) -> str:
    return "true" if value else "false"


def _order_code(order_code: str) -> str:
    if not _ORDER_CODE.fullmatch(order_code):
        raise OrderCodeNotSendable(f"not an order code that Worldpay keeps as it is: {order_code!r}")
    return order_code


def _name_token(value: str) -> str:
    if not NAME_TOKEN.fullmatch(value):
        raise ValueError(f"not a name token: {value!r}")
    return value


def _clean(value: str) -> str:
    """Drop characters that XML cannot represent, because headers and descriptions come from outside."""
    return _NOT_IN_XML.sub("", value)


def _add(parent: Element, tag: str, value: str, longest: int | None = None) -> None:
    SubElement(parent, tag).text = _clean(value)[:longest]


def _document(service: Element) -> bytes:
    document: bytes = tostring(service, encoding="utf-8")
    return _PROLOGUE + document
