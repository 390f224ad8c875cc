"""Notifications that are not what happened: what an attacker, or a bad day at the provider, would send."""

from collections.abc import Callable
from dataclasses import replace
from re import DOTALL, sub

from checkout.sandbox.notices import notice
from checkout.sandbox.orders import Order

CONTRADICTIONS = {
    "AUTHORISED": "REFUSED",
    "REFUSED": "AUTHORISED",
    "ERROR": "AUTHORISED",
    "CANCELLED": "CAPTURED",
    "CAPTURED": "CANCELLED",
    "REFUNDED": "REFUND_FAILED",
    "REFUND_FAILED": "REFUNDED",
}

# Each takes what the true notification is made of: order, journal type, amount in minor units, reference.
FORGERIES: dict[str, Callable[[Order, str, int, str], bytes]] = {
    "malformed": lambda *true: notice(*true)[:-40],
    "wrong_amount": lambda order, journal, amount, reference: notice(order, journal, amount + 1, reference),
    "wrong_currency": lambda order, *rest: notice(
        replace(order, currency="EUR" if order.currency == "USD" else "USD"), *rest
    ),
    "wrong_merchant": lambda order, *rest: notice(replace(order, merchant_code="OTHERMERCHANT"), *rest),
    "wrong_order": lambda order, *rest: notice(replace(order, code=order.code[::-1]), *rest),
    "contradictory": lambda order, journal, *rest: notice(order, CONTRADICTIONS[journal], *rest),
    "unknown_status": lambda order, _journal, *rest: notice(order, "TELEPORTED", *rest),
    "no_journal": lambda *true: sub(rb"<journal .*</journal>", b"", notice(*true), flags=DOTALL),
    "no_reference": lambda order, journal, amount, _reference: notice(order, journal, amount, ""),
}
