"""The capture: it takes authorised money.

It is booked as requested when it is accepted, and as captured when it is confirmed. It is booked back when it
is refused, or when staff find that the provider never had it.
"""

from checkout.payments.messages import CapturePayment
from checkout.payments.sagas.operations.flow import OperationData, OperationSaga


class Capture(OperationSaga):
    """The definition of the capture saga."""

    kind = "capture"
    asks = CapturePayment
    posted_when_accepted = "capture_requested"
    posted_when_done = "captured"
    posted_when_refused = "reversal"
    posted_when_undone = "capture_returned"

    def command(self, data: OperationData) -> CapturePayment:
        return CapturePayment(
            payment=data.payment,
            attempt=data.attempt,
            operation=data.operation,
            minor=data.minor,
            currency=data.currency,
        )
