"""The refund: it gives captured money back. It is booked when confirmed, and booked back if it is returned.

The money of a failed refund could be refunded once more, so a notification that it failed puts it in doubt
(see the common flow). It may come even weeks after the refund was finished.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from checkout.ledger.messages import Posting
from checkout.payments.messages import RefundPayment
from checkout.payments.sagas.operations.data import At, OperationData, OperationDecision
from checkout.payments.sagas.operations.flow import OperationSaga
from checkout.payments.sagas.signals import Signal
from checkout.payments.sagas.table import AfterSignal, Step
from checkout.receipts.messages import SendRefundReceipt


class Refund(OperationSaga):
    """The definition of the refund saga."""

    kind = "refund"
    asks = RefundPayment
    posted_when_done = Posting.REFUNDED
    posted_when_undone = Posting.REFUND_RETURNED

    def table(self) -> Sequence[Step[OperationData]]:
        """The steps of every operation. In addition a finished one may fail, and be made after all."""
        heard: Mapping[str, Mapping[Signal, AfterSignal[OperationData]]] = {
            At.FINISHED: {Signal.REFUSED: self.booked_back},
            At.REFUSED: {Signal.DONE: self.arrived},
        }
        rows = super().table()
        return [replace(row, hears={**row.hears, **heard.get(row.name, {})}) for row in rows]

    def done(self, data: OperationData) -> OperationDecision:
        """Have the shopper told as well, unless the refund is in doubt."""
        decision = super().done(data)
        if data.is_booked or data.is_doubted:
            return decision
        receipt = SendRefundReceipt(
            payment=data.payment, operation=data.operation, minor=data.minor, currency=data.currency
        )
        return replace(decision, side_commands=(*decision.side_commands, receipt))
