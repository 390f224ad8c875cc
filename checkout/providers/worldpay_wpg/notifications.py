"""Read a WPG order notification. Pure; unknown events are kept, not refused."""

import hashlib
import re
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from xml.etree.ElementTree import Element, canonicalize, tostring

from checkout.errors import NotificationFormatNotSupported, NotificationRejected
from checkout.money import Money
from checkout.providers.base import Acknowledgement, EventKind, Notification, Outcome
from checkout.providers.worldpay_wpg.codes import meaning
from checkout.providers.worldpay_wpg.elements import PaymentElement
from checkout.providers.worldpay_wpg.envelope import UnreadableMessage, read_message
from checkout.providers.worldpay_wpg.journals import Journal, references

# Anything else is sent again for seven days, and holds back the order's later notifications
# (alphagov/pay-connector, WorldpayNotificationService).
ACKNOWLEDGEMENT = Acknowledgement(status=200, body="[OK]", content_type="text/plain")

# The payment's amount is the order's, also where only a part was captured, refunded or disputed. Events of
# these kinds, and those of an authorisation that is pending, are about the whole order.
_OF_THE_WHOLE_ORDER = {
    EventKind.AUTHORISED,
    EventKind.REFUSED,
    EventKind.CANCELLED,
    EventKind.EXPIRED,
    EventKind.ERROR,
}
_FORM = re.compile(rb"\s{0,16}[A-Za-z][A-Za-z0-9_.%-]{0,63}=")
_ISO_4217: Mapping[str, int] = MappingProxyType({})


def parse_notification(body: bytes, exponents: Mapping[str, int] = _ISO_4217) -> list[Notification]:
    """Return what ``body`` states, one entry per journal; raises ``NotificationRejected`` and nothing else.

    A journal's own type is read before ``lastEvent``: they can differ, and the journal is the occasion.
    ``amount`` is what the journal's accounts moved; the payment's own amount is the order's and counts only
    where no account is named and the event is about the whole order. ``exponents`` are the account's, where
    they differ from ISO 4217. Reports, which are about no order, are an empty list. There is no signature:
    the caller must compare merchant, amount and currency with its own record. Events may come in any order.
    """
    if _FORM.match(body):
        raise NotificationFormatNotSupported(
            "Worldpay sent a notification as form fields (such as OrderCode=…&PaymentStatus=…). Only XML is "
            "read: in Worldpay's Merchant Interface, set the content of the merchant channel's HTTP "
            "notifications to xml."
        )
    try:
        return _read(body, exponents)
    except UnreadableMessage as error:
        raise NotificationRejected(f"Worldpay's notification cannot be understood: {error}.") from error


def _read(body: bytes, exponents: Mapping[str, int]) -> list[Notification]:
    if b"\0" in body:
        # UTF-16, say: it could be read here, but not stored as text and read again.
        raise UnreadableMessage("NUL bytes in it")
    root = read_message(body)
    if any(name.startswith("{") for element in root.iter() for name in (element.tag, *element.keys())):
        # Worldpay has no namespaces, and a digest of many takes long.
        raise UnreadableMessage("names of other vocabularies in it")
    notify = root.find("notify")
    if notify is None:
        raise UnreadableMessage("no notification in it")
    events = notify.findall("orderStatusEvent")
    if not events and notify.find("report") is None:
        raise UnreadableMessage("neither an order's event nor a report")
    merchant_code = root.get("merchantCode", "").strip()
    return [entry for event in events for entry in _read_event(merchant_code, event, exponents)]


def _read_event(merchant_code: str, event: Element, exponents: Mapping[str, int]) -> Iterator[Notification]:
    order_code = event.get("orderCode", "").strip()
    payments = event.findall("payment")
    journals: list[Journal | None] = [Journal(found, exponents) for found in event.iterfind("journal")]
    if not order_code or not (payments or journals):
        raise UnreadableMessage("an event of no order or without content")
    payment = PaymentElement(payments[0], exponents) if payments else None
    if len(payments) > 1 or (payment is not None and payment.has_several_events):
        raise UnreadableMessage("an event that says two things of its order")
    digest = _digest(merchant_code, event)
    for number, journal in enumerate(journals or [None]):
        name = (journal.event if journal else "") or (payment.event if payment else "")
        outcome, kind = _meaning(name, journal)
        named = references(kind, journal, payment.references if payment else ())
        yield Notification(
            merchant_code=merchant_code,
            order_code=order_code,
            kind=kind,
            event=name,
            amount=_amount(outcome, kind, payment, journal),
            reference=named[0] if named else "",
            references=named,
            event_id=f"{digest}-{number}",
        )


def _meaning(event: str, journal: Journal | None) -> tuple[Outcome, EventKind]:
    """Return what the event means to us: a refund that was sent and authorised is made.

    Some merchants never get a REFUNDED (alphagov/pay-connector#5701). An authorisation that is still to come
    is the text ``null``.
    """
    outcome, kind = meaning(event)
    if kind == EventKind.REFUND_SENT and journal is not None and journal.has_refund_authorisation:
        kind = EventKind.REFUNDED
    return outcome, kind


def _amount(
    outcome: Outcome, kind: EventKind, payment: PaymentElement | None, journal: Journal | None
) -> Money | None:
    """Return the amount of this event; None where the message does not tell it."""
    of_order = payment.amount if payment is not None else None
    if journal is not None and journal.names_accounts:
        return journal.amount_of(kind)
    return of_order if kind in _OF_THE_WHOLE_ORDER or outcome == Outcome.PENDING else None


def _digest(merchant_code: str, event: Element) -> str:
    """The same for each repetition: neither layout nor the mark that it was sent before counts."""
    canonical = canonicalize(tostring(event, encoding="unicode"), strip_text=True, exclude_attrs=["sent"])
    return hashlib.sha256(f"{merchant_code}\n{canonical}".encode()).hexdigest()[:40]
