"""Forged notifications, as anybody can write who knows the gateway's public address and an order code."""

from checkout.money import Money, exponent

FORGERY = """<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE paymentService PUBLIC "-//WorldPay//DTD WorldPay PaymentService v1//EN"
 "http://dtd.worldpay.com/paymentService_v1.dtd">
<paymentService version="1.4" merchantCode="SANDBOXMERCHANT"><notify><orderStatusEvent orderCode="{order}">
<payment><paymentMethod>VISA-SSL</paymentMethod>{amount}<lastEvent>{event}</lastEvent></payment>
<journal journalType="{event}" sent="n">
<bookingDate><date dayOfMonth="01" month="01" year="2030"/></bookingDate>
<accountTx accountType="{account}">{amount}</accountTx>
</journal></orderStatusEvent></notify></paymentService>"""
# The provider's account in which the merchant would see each event, and the sign of its amount.
ACCOUNTS = {
    "AUTHORISED": ("IN_PROCESS_AUTHORISED", "credit"),
    "CANCELLED": ("IN_PROCESS_AUTHORISED", "debit"),
    "CAPTURED": ("IN_PROCESS_CAPTURED", "credit"),
    "REFUNDED": ("IN_PROCESS_CAPTURED", "debit"),
    "EXPIRED": ("IN_PROCESS_AUTHORISED", "debit"),
    "CHARGED_BACK": ("IN_PROCESS_CAPTURED", "debit"),
}


def forged(order_code: str, event: str, money: Money) -> bytes:
    """Return a notification of this event without a reference."""
    account, indicator = ACCOUNTS[event]
    amount = (
        f'<amount value="{money.minor}" currencyCode="{money.currency}"'
        f' exponent="{exponent(money.currency)}" debitCreditIndicator="{indicator}"/>'
    )
    return FORGERY.format(order=order_code, event=event, account=account, amount=amount).encode()
