"""The refund: captured money is given back. Booked when confirmed; booked back when the issuer returns it."""

from checkout import commands
from checkout.sagas.operation import D, OperationData, OperationSaga


class Refund(OperationSaga):
    """The definition of the refund saga."""

    kind = "refund"
    posted_when_done = "refunded"
    posted_when_undone = "refund_returned"

    def command(self, data: OperationData) -> commands.RefundPayment:
        return commands.RefundPayment(
            payment=data.payment,
            attempt=data.attempt,
            operation=data.operation,
            minor=data.minor,
            currency=data.currency,
        )

    def on_signal(self, step: str, data: OperationData, signal: str) -> D | None:
        """As every operation; one that is finished may still come back, weeks later."""
        if step == "finished" and signal == "refused":
            return self._undo(data)
        return super().on_signal(step, data, signal)
