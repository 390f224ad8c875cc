"""Read a WPG order notification. Pure; unknown events are kept, not refused."""

import hashlib
from collections.abc import Iterator
from xml.etree.ElementTree import Element, canonicalize, tostring

from checkout.errors import NotificationRejected
from checkout.money import Money
from checkout.providers.base import Acknowledgement, EventKind, Notification, Outcome
from checkout.providers.worldpay_wpg.codes import EVENTS
from checkout.providers.worldpay_wpg.elements import PaymentElement, amount, journals, prose
from checkout.providers.worldpay_wpg.envelope import UnreadableMessage, read_message

# Anything else is sent again for seven days, and holds back the order's later notifications
# (alphagov/pay-connector, WorldpayNotificationService).
ACKNOWLEDGEMENT = Acknowledgement(status=200, body="[OK]", content_type="text/plain")

_BOOKED = {EventKind.CAPTURED, EventKind.REFUNDED, EventKind.REFUND_FAILED}


def parse_notification(body: bytes) -> list[Notification]:
    """Return what ``body`` states, one entry per journal; raises ``NotificationRejected`` and nothing else.

    A journal's own type is read before ``lastEvent``: they can differ, and the journal is the occasion.
    Reports, which are about no order, are an empty list. There is no signature: the caller must compare
    merchant, amount and currency with its own record.
    """
    try:
        if b"\0" in body:
            # UTF-16, say: it could be read here, but not stored as text and read again.
            raise UnreadableMessage("NUL bytes in it")
        root = read_message(body)
        notify = root.find("notify")
        if notify is None:
            raise UnreadableMessage("no notification in it")
        merchant_code = root.get("merchantCode", "").strip()
        events = notify.findall("orderStatusEvent")
        if not events and notify.find("report") is None:
            raise UnreadableMessage("neither an order's event nor a report")
        return [entry for event in events for entry in _read_event(merchant_code, event)]
    except UnreadableMessage as error:
        raise NotificationRejected(f"Worldpay's notification cannot be understood: {error}.") from error


def _read_event(merchant_code: str, event: Element) -> Iterator[Notification]:
    order_code = event.get("orderCode", "").strip()
    found = event.find("payment")
    if not order_code or (found is None and event.find("journal") is None):
        raise UnreadableMessage("an event of no order or without content")
    payment = PaymentElement(found) if found is not None else None
    digest = _digest(merchant_code, event)
    for number, (kind_of_journal, journal) in enumerate(list(journals(event)) or [("", None)]):
        name = kind_of_journal or (payment.event if payment else "")
        _, kind = EVENTS.get(name, (Outcome.UNKNOWN, EventKind.OTHER))
        yield Notification(
            merchant_code=merchant_code,
            order_code=order_code,
            kind=kind,
            event=name,
            amount=_amount(kind, payment, journal),
            reference=_reference(journal),
            event_id=f"{digest}-{number}",
        )


def _amount(kind: EventKind, payment: PaymentElement | None, journal: Element | None) -> Money | None:
    """Return the amount of this event: what was booked, where money was, else the payment's."""
    if journal is not None and (kind in _BOOKED or payment is None):
        for booking in journal.iterfind("accountTx[@accountType='IN_PROCESS_CAPTURED']"):
            return amount(booking)
    return payment.amount if payment else None


def _reference(journal: Element | None) -> str:
    """Return our operation's reference, which the provider repeats as the journal's."""
    if journal is None:
        return ""
    references = (prose(found.get("reference", "")) for found in journal.iterfind("journalReference"))
    return next(filter(None, references), "")


def _digest(merchant_code: str, event: Element) -> str:
    """The same for each repetition: neither layout nor the mark that it was sent before counts."""
    canonical = canonicalize(tostring(event, encoding="unicode"), strip_text=True, exclude_attrs=["sent"])
    return hashlib.sha256(f"{merchant_code}\n{canonical}".encode()).hexdigest()[:40]
