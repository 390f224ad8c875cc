"""Write `orderStatusEvent` notifications."""

from xml.etree.ElementTree import SubElement

from sandbox.messages.grammar import add_payment, document, service
from sandbox.messages.journals import Event, add_journal


def notice(event: Event) -> bytes:
    """Return the notification of an event. The payment has the order's amount, the journal the event's."""
    order = event.order
    root = service(order.merchant_code)
    element = SubElement(SubElement(root, "notify"), "orderStatusEvent", orderCode=order.code)
    add_payment(element, order, order.amount, event.last_event or event.journal_type)
    add_journal(element, event)
    return document(root)
