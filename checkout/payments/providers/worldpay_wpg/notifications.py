"""Read a WPG order notification. The functions are pure. Unknown events are kept, not refused."""

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from xml.etree.ElementTree import Element, ParseError, canonicalize, tostring

from checkout.errors import NotificationFormatNotSupported, NotificationRejected
from checkout.money import Money
from checkout.payments.providers.base import Acknowledgement, EventKind, Notification, Outcome
from checkout.payments.providers.worldpay_wpg.books import Journal, meaning_of, references
from checkout.payments.providers.worldpay_wpg.codes import EVENTS, meaning
from checkout.payments.providers.worldpay_wpg.elements import PaymentElement
from checkout.payments.providers.worldpay_wpg.envelope import UnreadableMessage, read_message

# After any other answer Worldpay sends the notification again for seven days, and holds back the order's
# later ones (alphagov/pay-connector, WorldpayNotificationService).
ACKNOWLEDGEMENT = Acknowledgement(status=200, body="[OK]", content_type="text/plain")

# The payment's amount is the order's, even if only a part was captured, refunded or disputed. Events of these
# kinds, and those of a pending authorisation, concern the whole order.
_OF_THE_WHOLE_ORDER = {
    EventKind.AUTHORISED,
    EventKind.REFUSED,
    EventKind.CANCELLED,
    EventKind.EXPIRED,
    EventKind.ERROR,
}
# The ends of an authorisation. If Worldpay's risk service cancels an order at once, the notification has the
# journal AUTHORISED and the last event CANCELLED (Worldpay/hybris#130), and may be the only one.
_ENDS = {EventKind.REFUSED, EventKind.CANCELLED, EventKind.EXPIRED}
_OF_REFUNDS = {EventKind.REFUND_SENT, EventKind.REFUNDED, EventKind.REFUND_FAILED}
# The event of our own for an event of a report that is not understood.
UNREADABLE = "UNREADABLE"
_FORM = re.compile(rb"\s{0,16}[A-Za-z][A-Za-z0-9_.%-]{0,63}=")
_ISO_4217: Mapping[str, int] = MappingProxyType({})


def parse_notification(body: bytes, exponents: Mapping[str, int] = _ISO_4217) -> list[Notification]:
    """Return the statements in ``body``, one per journal. Raises only ``NotificationRejected``.

    A journal's own type takes precedence over ``lastEvent``: if they differ, the journal is the reason for
    the notification. If the last event then ends the authorisation, it is a statement of its own. ``amount``
    is the amount that the journal's accounts moved. The payment's own amount is the order's, and is used only
    if no account is named and the event concerns the whole order. ``exponents`` are the account's, where they
    differ from ISO 4217. A report (DTD, ``report``) has the same events as other notifications. If it has
    several, an event that cannot be read becomes a statement whose ``is_known`` is false. A report of
    journals without orders is rejected, and an empty report yields an empty list. There is no signature: the
    caller must compare merchant, amount and currency with its own record. Events may come in any order.
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
        # For example UTF-16: it can be read here, but could not be stored as text and read again.
        raise UnreadableMessage("NUL bytes in it")
    root = read_message(body)
    if any(name.startswith("{") for element in root.iter() for name in (element.tag, *element.keys())):
        # Worldpay uses no namespaces, and the digest of an event with many takes long.
        raise UnreadableMessage("names of other vocabularies in it")
    notify = root.find("notify")
    if notify is None:
        raise UnreadableMessage("no notification in it")
    events = notify.findall("orderStatusEvent") + notify.findall("report/orderStatusEvent")
    if not events and notify.find("report") is None:
        raise UnreadableMessage("neither an order's event nor a report")
    if not events and notify.find("report/journal") is not None:
        raise UnreadableMessage("a report of journals that name no order")
    merchant_code = root.get("merchantCode", "").strip()
    if len(events) == 1:
        return list(_read_event(merchant_code, events[0], exponents))
    return [entry for event in events for entry in _read_one_of_many(merchant_code, event, exponents)]


def _read_one_of_many(
    merchant_code: str, event: Element, exponents: Mapping[str, int]
) -> Sequence[Notification]:
    """Read an event of a report. If it cannot be understood, return it as an unreadable statement."""
    try:
        return list(_read_event(merchant_code, event, exponents))
    except UnreadableMessage:
        unreadable = Notification(
            merchant_code=merchant_code,
            order_code=event.get("orderCode", "").strip(),
            kind=EventKind.OTHER,
            event=UNREADABLE,
            event_id=_digest(merchant_code, event),
            is_known=False,
        )
        return [unreadable]


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
    if payment is not None and _is_end_beside(payment.event, journals):
        journals.append(None)
    for number, journal in enumerate(journals or [None]):
        name = (journal.event if journal else "") or (payment.event if payment else "")
        outcome, kind = meaning_of(name, journal)
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
            # Worldpay gives its events no ids, and has dates without a time (DTD, ``orderStatusEvent``).
            is_identity=False,
            is_known=name in EVENTS,
        )


def _is_end_beside(last_event: str, journals: Sequence[Journal | None]) -> bool:
    """Return True if the last event ends the authorisation, and there are journals, but none of its kind."""
    kind = meaning(last_event)[1]
    kinds = [meaning(journal.event)[1] for journal in journals if journal is not None and journal.event]
    return kind in _ENDS and bool(kinds) and kind not in kinds


def _amount(
    outcome: Outcome, kind: EventKind, payment: PaymentElement | None, journal: Journal | None
) -> Money | None:
    """Return the amount of this event, or None if the message does not contain it.

    The accounts of settled money are in the currency of the settlement. If the order has another currency,
    the amount of a refund on them does not show how much the shopper gets.
    """
    of_order = payment.amount if payment is not None else None
    if journal is not None and journal.names_accounts:
        moved = journal.amount_of(kind)
        is_converted = moved is not None and of_order is not None and moved.currency != of_order.currency
        return None if is_converted and kind in _OF_REFUNDS else moved
    return of_order if kind in _OF_THE_WHOLE_ORDER or outcome == Outcome.PENDING else None


def _digest(merchant_code: str, event: Element) -> str:
    """Return a digest that is the same for each repetition, in any layout and with any attribute ``sent``."""
    try:
        canonical = canonicalize(tostring(event, encoding="unicode"), strip_text=True, exclude_attrs=["sent"])
    except ParseError as error:
        raise UnreadableMessage("an event that is no XML when it is written again") from error
    return hashlib.sha256(f"{merchant_code}\n{canonical}".encode()).hexdigest()[:40]
