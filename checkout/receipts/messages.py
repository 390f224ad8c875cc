"""The commands of the notifications service."""

from checkout.messages import Command, Done


class SendReceipt(Command[Done], frozen=True):
    """Send a receipt with everything that the e-mail says. Without an address there is none."""

    to = "notifications.send_receipt"
    again = "one receipt per payment"

    payment: str
    email: str
    merchant: str
    order_reference: str
    description: str
    minor: int
    currency: str


class DeliverReceipt(Command[None], frozen=True):
    """Hand the e-mail to the mail server. The service sends this to itself."""

    to = "notifications.deliver_receipt"
    again = "an e-mail that was sent is not sent again"

    payment: str
    failures: int = 0
