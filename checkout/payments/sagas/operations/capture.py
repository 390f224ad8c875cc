"""The capture: it takes authorised money.

It is booked as requested when it is accepted, and as captured when it is confirmed. It is booked back when it
is refused, or when staff find that the provider never had it.
"""

from checkout.ledger.messages import Posting
from checkout.payments.messages import CapturePayment
from checkout.payments.sagas.operations.flow import OperationSaga


class Capture(OperationSaga):
    """The definition of the capture saga."""

    kind = "capture"
    asks = CapturePayment
    posted_when_accepted = Posting.CAPTURE_REQUESTED
    posted_when_done = Posting.CAPTURED
    posted_when_refused = Posting.REVERSAL
    posted_when_undone = Posting.CAPTURE_RETURNED
