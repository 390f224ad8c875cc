"""The sagas of each kind of operation: captures, voids, refunds, charge-backs and reversals."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from msgspec.structs import replace as with_changes

from checkout.ledger.messages import Posting
from checkout.payments.messages import CapturePayment, RefundPayment, VoidPayment
from checkout.payments.sagas.definition import End
from checkout.payments.sagas.operations.data import At, OperationData, OperationDecision
from checkout.payments.sagas.operations.flow import OperationSaga, entries
from checkout.payments.sagas.signals import Heard, Signal
from checkout.payments.sagas.table import AfterSignal, Go, Step, TableSaga
from checkout.receipts.messages import SendRefundReceipt


class Capture(OperationSaga):
    """The capture takes authorised money.

    It is posted as requested when the provider accepts it, and as captured when the provider confirms it. It
    is booked back if it is refused, or if staff find that the provider never had it.
    """

    kind = "capture"
    asks = CapturePayment
    posted_when_accepted = Posting.CAPTURE_REQUESTED
    posted_when_done = Posting.CAPTURED
    posted_when_refused = Posting.REVERSAL
    posted_when_undone = Posting.CAPTURE_RETURNED


class Void(OperationSaga):
    """The void releases an authorisation of which nothing was captured. Nothing is booked.

    When it is done, it signals the purchase, which gives the stock back, or cancels an order that was
    confirmed.
    """

    kind = "void"
    asks = VoidPayment


class Refund(OperationSaga):
    """The refund gives captured money back. It is booked when confirmed.

    A notification that a refund failed may come even weeks after the refund was finished. It only puts the
    refund in doubt (see the common flow), because the money of a failed refund can be refunded once more.
    """

    kind = "refund"
    asks = RefundPayment
    posted_when_done = Posting.REFUNDED
    posted_when_undone = Posting.REFUND_RETURNED

    def table(self) -> Sequence[Step[OperationData]]:
        """Return the steps of every operation, and the signals that a refund failed or was made after all."""
        heard: Mapping[str, Mapping[Heard, AfterSignal[OperationData]]] = {
            At.FINISHED: {Signal.REFUSED: self.booked_back},
            At.REFUSED: {Signal.DONE: self.arrived},
        }
        rows = super().table()
        return [replace(row, hears={**row.hears, **heard.get(row.name, {})}) for row in rows]

    def done(self, data: OperationData) -> OperationDecision:
        """Send the shopper a receipt as well, once no doubt is left. A repeated command sends it once."""
        decision = super().done(data)
        if data.is_doubted:
            return decision
        receipt = SendRefundReceipt(
            payment=data.payment, operation=data.operation, minor=data.minor, currency=data.currency
        )
        return replace(decision, side_commands=(*decision.side_commands, receipt))


class IssuerMovement(TableSaga[OperationData]):
    """A charge-back or its reversal. It has happened already, so it is only posted.

    We do not request it from the provider, so there is no refusal and nothing to wait for: the operation was
    recorded when the provider confirmed it (``payments/books/compare_events.py``). The payment follows its
    sums.
    """

    data_type = OperationData

    def __init__(self, kind: str, posting: Posting) -> None:
        self.kind = kind
        self.posting = posting
        super().__init__()

    def table(self) -> Sequence[Step[OperationData]]:
        """Return the only step. It hears no signal, because nothing here changes a decision of the issuer."""
        return (Step(name=At.FINISHED, ends=End.COMPLETED),)

    def begin(self, data: OperationData) -> OperationDecision:
        """Post the operation."""
        return Go(step=At.FINISHED, data=data, recalculate=True, side_commands=(entries(data, self.posting),))

    def afresh(self, data: OperationData) -> OperationData:
        """Count from zero."""
        return with_changes(data, tries=0)
