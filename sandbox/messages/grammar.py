"""Elements that replies and notifications share, with children in the order of the provider's DTD."""

import re
from datetime import UTC, datetime
from typing import Any
from xml.etree.ElementTree import Element, SubElement, tostring

from sandbox.books.orders import Order
from sandbox.scenarios import REFUSALS, raw_code

HEADER = (
    b'<?xml version="1.0" encoding="UTF-8"?>\n'
    b'<!DOCTYPE paymentService PUBLIC "-//WorldPay//DTD WorldPay PaymentService v1//EN"'
    b' "http://dtd.worldpay.com/paymentService_v1.dtd">\n'
)
_UNWRITABLE = re.compile("[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
AUTHENTICATION_RESULTS = {
    "Y": "Cardholder authenticated",
    "A": "Attempted authentication",
    "U": "Authentication unavailable",
    "N": "Failed",
    "R": "Rejected by issuer",
}


def document(root: Element) -> bytes:
    return HEADER + bytes(tostring(root, encoding="utf-8"))


def service(merchant_code: str) -> Element:
    return Element("paymentService", version="1.4", merchantCode=merchant_code)


def add_amount(parent: Element, order: Order, value: int, indicator: str = "credit") -> None:
    SubElement(
        parent,
        "amount",
        value=str(value),
        currencyCode=order.currency,
        exponent=str(order.exponent),
        debitCreditIndicator=indicator,
    )


def add_date(parent: Element) -> None:
    today = datetime.now(UTC)
    SubElement(parent, "date", dayOfMonth=f"{today:%d}", month=f"{today:%m}", year=f"{today:%Y}")


def add_payment(parent: Element, order: Order, amount: int, last_event: str) -> None:
    """Add a `payment` element for `amount` minor units of this order."""
    payment = SubElement(parent, "payment")
    SubElement(payment, "paymentMethod").text = order.card["brand"]
    method = SubElement(payment, "paymentMethodDetail")
    card = SubElement(method, "card", number=order.card["masked"], type="creditcard")
    if expiry := order.card.get("expiry", ""):
        month, _, year = expiry.partition("/")
        SubElement(SubElement(card, "expiryDate"), "date", month=month, year=year)
    add_amount(payment, order, amount)
    SubElement(payment, "lastEvent").text = last_event
    if order.authorisation_id:
        SubElement(payment, "AuthorisationId", id=order.authorisation_id)
    if order.refusal_code:
        meaning = REFUSALS.get(order.refusal_code, "REFUSED")
        by_issuer = "issuer_response_code" in order.traits
        tag = "IssuerResponseCode" if by_issuer else "ISO8583ReturnCode"
        code = raw_code(order.refusal_code, order.card["brand"]) if by_issuer else order.refusal_code
        SubElement(payment, tag, code=code, description=meaning)
    checked = "APPROVED" if order.outcome["cvc"] else "NOT SUPPLIED BY SHOPPER"
    SubElement(payment, "CVCResultCode", description=checked)
    SubElement(payment, "AVSResultCode", description="NOT SUPPLIED BY SHOPPER")
    if order.authentication:
        _add_authentication(payment, order)
    if order.holder:
        SubElement(payment, "cardHolderName").text = writable(order.holder)
    for account, value in _balances(order).items():
        if value and "no_balance" not in order.traits:
            indicator = "credit" if value > 0 else "debit"
            add_amount(SubElement(payment, "balance", accountType=account), order, abs(value), indicator)
    SubElement(payment, "cardNumber").text = order.card["masked"]
    SubElement(payment, "riskScore", value="0")
    if order.email:
        SubElement(payment, "shopperEmailAddress").text = writable(order.email)


def writable(text: str) -> str:
    """Return a text in which the few characters that XML cannot contain are replaced."""
    return _UNWRITABLE.sub("\N{REPLACEMENT CHARACTER}", text)


def add_token(parent: Element, order: Order) -> None:
    """Add a `token` element, if one was made with the order."""
    told = order.token
    if not told:
        return
    token = SubElement(parent, "token")
    SubElement(token, "authenticatedShopperID").text = told["shopper"]
    details = SubElement(token, "tokenDetails", tokenEvent=told["event"])
    SubElement(details, "paymentTokenID").text = told["id"]
    year, month, day = told["valid_until"].split("-")
    SubElement(SubElement(details, "paymentTokenExpiry"), "date", dayOfMonth=day, month=month, year=year)
    SubElement(details, "tokenReason").text = order.code
    card = SubElement(SubElement(token, "paymentInstrument"), "cardDetails")
    expiry = SubElement(card, "expiryDate")
    SubElement(expiry, "date", month=f"{told['expiry_month']:02d}", year=str(told["expiry_year"]))
    derived = SubElement(card, "derived")
    brand = order.card["brand"].removesuffix("-SSL")
    SubElement(derived, "cardBrand").text = brand
    SubElement(derived, "cardSubBrand").text = f"{brand}_CREDIT"
    SubElement(derived, "issuerCountryCode").text = "GB"
    SubElement(derived, "obfuscatedPAN").text = order.card["masked"]
    scheme = SubElement(token, "schemeResponse")
    SubElement(scheme, "transactionIdentifier").text = told["scheme_transaction"]


def _add_authentication(payment: Element, order: Order) -> None:
    found: dict[str, Any] = order.authentication
    result = SubElement(payment, "ThreeDSecureResult", description=AUTHENTICATION_RESULTS[found["status"]])
    for tag, name in (
        ("eci", "eci"),
        ("dsTransactionId", "ds_transaction_id"),
        ("challengeCancelIndicator", "cancel_indicator"),
        ("transactionStatusReason", "reason"),
    ):
        if found.get(name):
            SubElement(result, tag).text = found[name]


def _balances(order: Order) -> dict[str, int]:
    """Return the balance of each account. Refunds and charge-backs first use money that is not settled."""
    unsettled, out = order.captured - order.settled, order.refunded + order.charged_back
    from_net = max(0, out - unsettled) if order.settled else 0
    held = order.authorised - order.cancelled - order.released - order.captured
    if order.refunds_through_captured:
        passed = min(order.refunded, from_net)
        return {"IN_PROCESS_AUTHORISED": held, "IN_PROCESS_CAPTURED": unsettled - (out - from_net) + passed}
    return {
        "IN_PROCESS_AUTHORISED": held,
        "IN_PROCESS_CAPTURED": unsettled - (out - from_net),
        "SETTLED_BIBIT_NET": order.settled - order.commission - from_net,
        "SETTLED_BIBIT_COMMISSION": order.commission,
    }
