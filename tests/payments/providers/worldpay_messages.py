"""Worldpay's messages for tests, written from the protocol's description."""

from typing import Any

PROLOGUE = (
    '<?xml version="1.0" encoding="UTF-8"?>\n'
    '<!DOCTYPE paymentService PUBLIC "-//WorldPay//DTD WorldPay PaymentService v1//EN"'
    ' "http://dtd.worldpay.com/paymentService_v1.dtd">\n'
)
MERCHANT = "TEAPOTS"


def service(content: str, version: str = "1.4") -> bytes:
    return (
        f'{PROLOGUE}<paymentService version="{version}" merchantCode="{MERCHANT}">{content}</paymentService>'
    ).encode()


def order_status(content: str, order_code: str = "order-1") -> bytes:
    return service(f'<reply><orderStatus orderCode="{order_code}">{content}</orderStatus></reply>')


def amount(
    value: Any = 1050, currency: str = "GBP", exponent: Any = 2, indicator: str | None = "credit"
) -> str:
    side = f' debitCreditIndicator="{indicator}"' if indicator else ""
    return f'<amount value="{value}" currencyCode="{currency}" exponent="{exponent}"{side}/>'


def payment(event: str = "AUTHORISED", extra: str = "", money: str | None = None, method: str = "VISA-SSL"):
    return (
        f"<payment><paymentMethod>{method}</paymentMethod>"
        '<paymentMethodDetail><card number="4444********1111" type="creditcard">'
        '<expiryDate><date month="1" year="2031"/></expiryDate></card></paymentMethodDetail>'
        f"{amount() if money is None else money}<lastEvent>{event}</lastEvent>{extra}</payment>"
    )


def paid(event: str = "AUTHORISED", extra: str = "", **options: Any) -> bytes:
    return order_status(payment(event, extra, **options))


def error(code: Any, text: str = "Something went wrong", *, of_order: bool = False) -> bytes:
    content = f'<error code="{code}"><![CDATA[{text}]]></error>'
    return order_status(content) if of_order else service(f"<reply>{content}</reply>")


def acknowledged(tag: str, content: str = "", order_code: str = "order-1") -> bytes:
    return service(f'<reply><ok><{tag} orderCode="{order_code}">{content}</{tag}></ok></reply>')


def modified(event: str, request: str, order_code: str = "order-1") -> bytes:
    """Return the status of an order that was modified at once, with the request that is answered."""
    return order_status(
        payment(event) + f'<orderModification orderCode="{order_code}">{request}</orderModification>'
    )


def challenge(
    acs_url: str = "https://acs.example/challenge?a=1", payload: str = "eyJhY3NUcmFuc0lEIjoiMSJ9"
) -> bytes:
    return order_status(
        "<challengeRequired><threeDSChallengeDetails><threeDSVersion>2.2.0</threeDSVersion>"
        f"<transactionId3DS>tx-1</transactionId3DS><acsURL><![CDATA[{acs_url}]]></acsURL>"
        f"<payload>{payload}</payload></threeDSChallengeDetails></challengeRequired>"
    )


def old_challenge(request: str) -> bytes:
    """Return the demand for an authentication by 3-D Secure 1."""
    return order_status(
        f"<requestInfo><request3DSecure><paRequest>{request}</paRequest>"
        "<issuerURL><![CDATA[https://issuer.example/acs?a=1&b=2]]></issuerURL></request3DSecure></requestInfo>"
        "<echoData>1374244409987691395</echoData>"
    )


def journal(kind: str, entries: str = "", references: str = "") -> str:
    return (
        f'<journal journalType="{kind}" sent="n"><bookingDate>'
        f'<date dayOfMonth="25" month="11" year="2026"/></bookingDate>{entries}{references}</journal>'
    )


def booking(account: str, money: str) -> str:
    return f'<accountTx accountType="{account}" batchId="1">{money}</accountTx>'


def credit(account: str, value: Any, currency: str = "GBP") -> str:
    return booking(account, amount(value, currency))


def debit(account: str, value: Any, currency: str = "GBP") -> str:
    return booking(account, amount(value, currency, indicator="debit"))


def named(**references: str) -> str:
    """Return a journal's references by type, such as ``capture=...``."""
    return "".join(
        f'<journalReference type="{kind}" reference="{text}"/>' for kind, text in references.items()
    )


def balance(account: str, value: Any, currency: str = "GBP", indicator: str = "credit") -> str:
    money = amount(value, currency, indicator=indicator)
    return f'<balance accountType="{account}">{money}</balance>'


def notification(content: str, order_code: str = "order-1") -> bytes:
    return service(
        f'<notify><orderStatusEvent orderCode="{order_code}">{content}</orderStatusEvent></notify>'
    )
