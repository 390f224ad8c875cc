"""The `journal` of a notification: the bookings by account, and their references.

Account and reference types are those of the provider's DTD. Their combinations follow its published examples
and the notifications recorded in `alphagov/pay-connector` and in platforms' issues.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from xml.etree.ElementTree import Element, SubElement

from sandbox.books.orders import Order, commission_of
from sandbox.messages.grammar import add_amount, add_date

AUTHORISED, CAPTURED, REFUND_PENDING = "IN_PROCESS_AUTHORISED", "IN_PROCESS_CAPTURED", "REFUND_PENDING"
NET, COMMISSION = "SETTLED_BIBIT_NET", "SETTLED_BIBIT_COMMISSION"
REFUNDS = frozenset({"SENT_FOR_REFUND", "REFUNDED", "REFUND_FAILED"})


@dataclass(frozen=True, slots=True)
class Event:
    """An event of an order, for example that `amount` minor units were captured.

    `reference` is the one that the merchant gave to the capture or refund. `refund_authorisation` is the
    issuer's for a refund, or the text `null`; if it is empty, the message contains none. `last_event` is the
    payment's, if it differs from the journal's type.
    """

    order: Order
    journal_type: str
    amount: int
    reference: str = ""
    refund_authorisation: str = ""
    last_event: str = ""


def add_journal(parent: Element, event: Event) -> None:
    journal = SubElement(parent, "journal", journalType=event.journal_type, sent="n")
    add_date(SubElement(journal, "bookingDate"))
    is_long = "long_journals" in event.order.traits
    for account, value, indicator in _bookings(event):
        for batch, part in enumerate(_parts(value) if is_long else [value]):
            line = SubElement(journal, "accountTx", accountType=account)
            if is_long:
                line.set("batchId", str(41 + batch))
            add_amount(line, event.order, part, indicator)
    for type_, reference in _references(event):
        SubElement(journal, "journalReference", type=type_, reference=reference)


def _bookings(event: Event) -> Iterator[tuple[str, int, str]]:
    """Yield account, amount, and `debit` or `credit`.

    An authorisation is a promise of the card's bank, and a cancellation ends the promise, so these two have
    only one side, as in the provider's own messages. Charge-backs, too, have only one side; the other one is
    the card's bank.
    """
    amount, merchant = event.amount, NET if event.order.settled else CAPTURED
    pending = CAPTURED if event.order.refunds_through_captured else REFUND_PENDING
    match event.journal_type:
        case "AUTHORISED":
            yield AUTHORISED, amount, "credit"
        case "CANCELLED" | "EXPIRED":
            yield AUTHORISED, amount, "debit"
        case "CAPTURED" | "CAPTURE_FAILED":
            # A failed capture is booked on the accounts of a capture, on the same sides.
            yield AUTHORISED, amount, "debit"
            yield CAPTURED, amount, "credit"
        case "SETTLED":
            commission = commission_of(amount)
            yield CAPTURED, amount, "debit"
            yield NET, amount - commission, "credit"
            if commission:
                yield COMMISSION, commission, "credit"
        case "SENT_FOR_REFUND" | "REFUNDED":
            yield merchant, amount, "debit"
            yield pending, amount, "credit"
        case "REFUND_FAILED":
            yield pending, amount, "debit"
            yield merchant, amount, "credit"
        case "CHARGED_BACK":
            yield merchant, amount, "debit"
        case "CHARGEBACK_REVERSED":
            yield merchant, amount, "credit"


def _parts(value: int) -> list[int]:
    """Split an amount into two lines of one account, if it is more than one minor unit."""
    return [value] if value < 2 else [value // 2, value - value // 2]


def _references(event: Event) -> Iterator[tuple[str, str]]:
    """Yield type and reference. Steps of a dispute have none, because no merchant requested them."""
    order, traits = event.order, event.order.traits
    if event.journal_type in ("CAPTURED", "CAPTURE_FAILED", "SETTLED") and event.reference:
        yield "capture", event.reference
    elif event.journal_type in REFUNDS:
        if event.refund_authorisation:
            yield "refund_authorisation", event.refund_authorisation
        elif "long_journals" in traits:
            yield "refund_authorisation", "null"
        if not event.reference:
            return
        if "refund_reference_as_capture" in traits:
            yield "capture", event.reference
            return
        if "long_journals" in traits and order.capture_references:
            yield "capture", order.capture_references[-1]
        yield "refund", event.reference
