"""Write replies to a merchant's messages."""

from base64 import b64encode
from collections.abc import Sequence
from xml.etree.ElementTree import Element, SubElement

from sandbox.books.orders import Order
from sandbox.errors import RequestRefused
from sandbox.messages.grammar import add_amount, add_payment, add_token, document, service


def status_reply(order: Order, acs_url: str) -> bytes:
    """Return the order's status: a challenge to pass, or a payment."""
    root = service(order.merchant_code)
    status = _status(SubElement(root, "reply"), order)
    if order.in_challenge:
        challenge = order.challenges[-1]
        details = SubElement(SubElement(status, "challengeRequired"), "threeDSChallengeDetails")
        SubElement(details, "threeDSVersion").text = "2.2.0"
        SubElement(details, "transactionId3DS").text = challenge.transaction_id
        SubElement(details, "acsURL").text = acs_url
        SubElement(details, "payload").text = challenge.payload
    elif order.asks_for_old_authentication:
        # As recorded in alphagov/pay-connector (3ds-response.xml). The present grammar lacks these elements.
        request = SubElement(SubElement(status, "requestInfo"), "request3DSecure")
        SubElement(request, "paRequest").text = b64encode(order.code.encode()).decode()
        SubElement(request, "issuerURL").text = acs_url
        SubElement(status, "echoData").text = order.session_id
    else:
        add_payment(status, order, order.amount, order.told_event)
        add_token(status, order)
    return document(root)


def list_reply(merchant_code: str, orders: Sequence[Order], limit: int) -> bytes:
    """Return the status of many orders, but not of more than `limit`."""
    root = service(merchant_code)
    reply = SubElement(root, "reply", complete="true" if len(orders) <= limit else "false")
    for order in orders[:limit]:
        add_payment(_status(reply, order), order, order.amount, order.told_event)
    return document(root)


def received_reply(order: Order, element: str, amount: int | None, indicator: str) -> bytes:
    """Return an acknowledgement such as `captureReceived`, which means received, not done."""
    root = service(order.merchant_code)
    received = SubElement(SubElement(SubElement(root, "reply"), "ok"), element, orderCode=order.code)
    if amount is not None:
        add_amount(received, order, amount, indicator)
    return document(root)


def modified_reply(order: Order, modification: Element) -> bytes:
    """Return the order's status and the request, as some accounts' modifications are answered.

    The payment has the order's amount. Its last event may be that of an earlier modification (activemerchant,
    worldpay_test.rb: synchronous responses; the provider's grammar, `orderStatus`).
    """
    root = service(order.merchant_code)
    status = _status(SubElement(root, "reply"), order)
    add_payment(status, order, order.amount, order.told_event)
    status.append(modification)
    return document(root)


def token_deleted_reply(merchant_code: str, token: str) -> bytes:
    """Return the acknowledgement that a token was deleted."""
    root = service(merchant_code)
    SubElement(SubElement(SubElement(root, "reply"), "ok"), "deleteTokenReceived", paymentTokenID=token)
    return document(root)


def error_reply(merchant_code: str, error: RequestRefused) -> bytes:
    root = service(merchant_code)
    parent = SubElement(root, "reply")
    if error.order_code:
        parent = SubElement(parent, "orderStatus", orderCode=error.order_code)
    SubElement(parent, "error", code=str(error.code)).text = error.message
    return document(root)


def _status(reply: Element, order: Order) -> Element:
    return SubElement(reply, "orderStatus", orderCode=order.code)
