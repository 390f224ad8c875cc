"""The commands of the receipts service, which is called ``notifications`` on the wire."""

from checkout.messages import Command, Done
from checkout.orders.messages import OrderLine


class SendReceipt(Command[Done], frozen=True, forbid_unknown_fields=False):
    """Send a receipt. The command has the whole content of the e-mail. Without an address nothing is sent.

    The sender does not wait for an answer. If ``is_reserved``, the amount is only taken when the merchant
    captures it. If ``is_test``, the merchant is not live, and no money moves. ``locale`` and
    ``minutes_behind_utc`` are the shopper's language (BCP 47) and time zone, if they are known. The e-mail
    shows the card and the merchant's contact details if they are known. ``attempt`` and ``merchant_code`` are
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
    minutes_behind_utc: int | None = None
    lines: list[OrderLine] = []
    card_brand: str = ""
    card_last4: str = ""
    support_email: str = ""
    support_phone: str = ""
    logo_url: str = ""
    is_reserved: bool = False
    is_test: bool = False


class SendRefundReceipt(Command[Done], frozen=True):
    """Tell the shopper that an amount was refunded. ``operation`` is the refund's reference.

    The other data come from the payment's receipt. If there is none, nothing is sent. The sender does not
    wait for an answer.
    """

    to = "notifications.send_refund_receipt"
    again = "one receipt per refund"

    payment: str
    operation: str
    minor: int
    currency: str
