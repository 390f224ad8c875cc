"""Writes `orderStatusEvent` notifications."""

from xml.etree.ElementTree import SubElement

from checkout.sandbox.grammar import add_amount, add_date, add_payment, document, service
from checkout.sandbox.orders import Order

# Debited and credited account of each journal. An authorisation is a promise by the card's bank and a
# cancellation ends it, so these two have one side only, as in the provider's own messages.
ACCOUNTS = {
    "AUTHORISED": (("IN_PROCESS_AUTHORISED", "credit"),),
    "CANCELLED": (("IN_PROCESS_AUTHORISED", "debit"),),
    "CAPTURED": (("IN_PROCESS_AUTHORISED", "debit"), ("IN_PROCESS_CAPTURED", "credit")),
    "REFUNDED": (("IN_PROCESS_CAPTURED", "debit"), ("REFUND_PENDING", "credit")),
}
REFERENCE_TYPES = {"CAPTURED": "capture", "REFUNDED": "refund", "REFUND_FAILED": "refund"}


def notice(order: Order, journal_type: str, amount: int, reference: str) -> bytes:
    """The notification that `amount` minor units of the order were authorised, captured, refunded, …

    `reference` is the one that the merchant gave to the capture or refund.
    """
    root = service(order.merchant_code)
    event = SubElement(SubElement(root, "notify"), "orderStatusEvent", orderCode=order.code)
    add_payment(event, order, amount, journal_type)
    journal = SubElement(event, "journal", journalType=journal_type, sent="n")
    add_date(SubElement(journal, "bookingDate"))
    for account, indicator in ACCOUNTS.get(journal_type, ()):
        add_amount(SubElement(journal, "accountTx", accountType=account), order, amount, indicator)
    if reference and journal_type in REFERENCE_TYPES:
        SubElement(journal, "journalReference", type=REFERENCE_TYPES[journal_type], reference=reference)
    return document(root)
