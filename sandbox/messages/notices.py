"""Write `orderStatusEvent` notifications."""

from xml.etree.ElementTree import SubElement

from sandbox.messages.grammar import add_payment, document, service
from sandbox.messages.journals import Event, add_journal


def notice(event: Event, *, in_report: bool = False) -> bytes:
    """Return the notification of an event. The payment has the order's amount, the journal the event's.

    The provider's grammar allows the event inside a report, too.
    """
    order = event.order
    root = service(order.merchant_code)
    parent = SubElement(root, "notify")
    if in_report:
        parent.set("messageType", "EventReport")
        parent = SubElement(parent, "report", reportType="event")
    element = SubElement(parent, "orderStatusEvent", orderCode=order.code)
    add_payment(element, order, order.amount, event.last_event or event.journal_type)
    add_journal(element, event)
    return document(root)
