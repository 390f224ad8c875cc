"""The commands of the receipts service, which is called ``notifications`` on the wire."""

from checkout.messages import Command, Done
from checkout.orders.messages import OrderLine


class SendReceipt(Command[Done], frozen=True, forbid_unknown_fields=False):
    """Send a receipt with everything that the e-mail says. Without an address there is none.

    The service is told, so nobody waits for its answer. The amount ``is_reserved`` if it is not taken before
    the merchant captures it. It ``is_test`` if the merchant is not live, so that no money moves. The other
    optional fields are for services of others.
    """

    to = "notifications.send_receipt"
    is_open = True
    again = "one receipt per payment"

    payment: str
    email: str
    merchant: str
    order_reference: str
    description: str
    minor: int
    currency: str
    attempt: str = ""
    merchant_code: str = ""
    locale: str = ""
    lines: list[OrderLine] = []
    is_reserved: bool = False
    is_test: bool = False


class DeliverReceipt(Command[None], frozen=True):
    """Hand an e-mail to the mail server that did not take it before. The service sends this to itself."""

    to = "notifications.deliver_receipt"
    again = "an e-mail that was sent is not sent again"

    payment: str
    failures: int = 0
