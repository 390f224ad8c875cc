"""A payment with every reason for attention, and another with a false notification."""

from uuid import uuid4

from tests.support.stack import Stack

MAKE_TROUBLED = """
from checkout.payments.events import move_payment
from checkout.states import Actor
from tests.backoffice import rows
payment = rows.captured("trouble-%(name)s")
refund = rows.waiting(payment, "refund", 300)
rows.heard(refund, "refund_unknown", outcome="unknown", event="time-out")
rows.claimed(payment)
rows.dead_letter(payment.reference, message_id="%(name)s", reason="minor is no number")
rows.difference(payment)
why = "says 1.00 GBP, the payment is 12.50 GBP"
rows.notification(payment, "conflicted", why, digest="c-%(name)s")
saga = rows.saga(payment)
move_payment(payment, "conflicted", Actor.SAGA)
lied = rows.asked_about(rows.authorised("lied-%(name)s"), "denied", digest="d-%(name)s")
print("KEYS", payment.pk, lied.pk)
"""


def make_trouble(stack: Stack) -> tuple[str, str]:
    """Return the keys of a payment that needs attention, and of a denied notification."""
    made = stack.manage("shell", "--command", MAKE_TROUBLED % {"name": uuid4().hex[:6]})
    payment, notification = made.rpartition("KEYS")[2].split()
    return payment, notification
