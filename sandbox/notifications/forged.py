"""False notifications, as an attacker, or the provider by mistake, might send them."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from re import DOTALL, sub
from urllib.parse import urlencode

from sandbox.messages.journals import Event
from sandbox.messages.notices import notice

XML, FORM = "text/xml; charset=utf-8", "application/x-www-form-urlencoded"
CONTRADICTIONS = {
    "AUTHORISED": "REFUSED",
    "REFUSED": "AUTHORISED",
    "ERROR": "AUTHORISED",
    "CANCELLED": "CAPTURED",
    "EXPIRED": "CAPTURED",
    "CAPTURED": "CANCELLED",
    "CAPTURE_FAILED": "CAPTURED",
    "SETTLED": "CANCELLED",
    "SENT_FOR_REFUND": "REFUND_FAILED",
    "REFUNDED": "REFUND_FAILED",
    "REFUND_FAILED": "REFUNDED",
    "INFORMATION_REQUESTED": "CHARGEBACK_REVERSED",
    "CHARGED_BACK": "CHARGEBACK_REVERSED",
    "CHARGEBACK_REVERSED": "CHARGED_BACK",
    "DISPUTED_FUNDS_HELD": "CHARGED_BACK",
    "DISPUTED_FUNDS_RELEASED": "CHARGED_BACK",
    "DISPUTE_RESERVE_RELEASED": "CHARGED_BACK",
    "DISPUTE_EXPIRED": "CHARGED_BACK",
    "TELEPORTED": "CHARGED_BACK",
}
# More than 64 KB, which a merchant's endpoint may treat as an attack.
PADDING = b"<!--" + b" padding" * 10_000 + b"-->"


@dataclass(frozen=True, slots=True)
class Forgery:
    """A false version of an event. If it `insists`, it is posted until accepted, and blocks its line."""

    write: Callable[[Event], bytes]
    content_type: str = XML
    insists: bool = False


def _with_amount(event: Event, amount: int) -> bytes:
    """Return a notification with another amount, even in the payment if the event is about all of it."""
    is_of_the_order = event.journal_type in ("AUTHORISED", "REFUSED", "ERROR", "CANCELLED")
    order = replace(event.order, amount=amount) if is_of_the_order else event.order
    return notice(replace(event, order=order, amount=amount))


def _of_order(event: Event, **changes: str) -> bytes:
    return notice(replace(event, order=replace(event.order, **changes)))  # type: ignore[arg-type]


FORGERIES: dict[str, Forgery] = {
    "malformed": Forgery(lambda event: notice(event)[:-40], insists=True),
    "form_encoded": Forgery(
        lambda event: urlencode(
            {
                "OrderCode": event.order.code,
                "PaymentId": "1",
                "PaymentStatus": event.journal_type,
                "PaymentAmount": str(event.order.amount),
                "PaymentCurrency": event.order.currency,
                "PaymentMethod": event.order.card["brand"],
            }
        ).encode(),
        FORM,
        insists=True,
    ),
    "oversized": Forgery(
        lambda event: notice(event).replace(b"</notify>", PADDING + b"</notify>"), insists=True
    ),
    "wrong_amount": Forgery(lambda event: _with_amount(event, event.amount + 1)),
    "smaller_amount": Forgery(lambda event: _with_amount(event, (event.amount + 1) // 2)),
    "wrong_currency": Forgery(
        lambda event: _of_order(event, currency="EUR" if event.order.currency == "USD" else "USD")
    ),
    "wrong_merchant": Forgery(lambda event: _of_order(event, merchant_code="OTHERMERCHANT")),
    "wrong_order": Forgery(lambda event: _of_order(event, code=event.order.code[::-1])),
    "contradictory": Forgery(
        lambda event: notice(replace(event, journal_type=CONTRADICTIONS[event.journal_type]))
    ),
    "unknown_status": Forgery(lambda event: notice(replace(event, journal_type="TELEPORTED"))),
    "no_journal": Forgery(lambda event: sub(rb"<journal .*</journal>", b"", notice(event), flags=DOTALL)),
    "no_reference": Forgery(lambda event: notice(replace(event, reference=""))),
}
