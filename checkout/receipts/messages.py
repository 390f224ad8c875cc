"""The commands of the receipts service, which is called ``notifications`` on the wire."""

from checkout.messages import Command, Done
from checkout.orders.messages import OrderLine


class SendReceipt(Command[Done], frozen=True, forbid_unknown_fields=False):
    """Send a receipt. The command has the whole content of the e-mail. Without an address nothing is sent.

    The sender does not wait for an answer. If ``is_reserved``, the amount is taken only when the merchant
    captures it. If ``is_test``, the merchant is not live, and no money moves. The other optional fields are
    for services of other installations.
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
    """Send an e-mail again that the mail server did not accept. The service sends this command to itself."""

    to = "notifications.deliver_receipt"
    again = "an e-mail that was sent is not sent again"

    payment: str
    failures: int = 0
