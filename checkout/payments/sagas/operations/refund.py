"""The refund: it gives captured money back. It is booked when confirmed, and booked back if it is returned.

The money of a failed refund could be refunded once more, so a notification that it failed is not believed by
itself. The refund is in doubt, and the provider is asked, at once or as soon as the command under way has
been answered. Meanwhile the refund keeps its state, even if it is done and booked.
"""

from msgspec.structs import replace as with_changes

from checkout.payments.messages import RefundPayment
from checkout.payments.sagas.operations.flow import D, OperationData, OperationSaga
from checkout.payments.sagas.pauses import inquiry_delay
from messaging.envelope import Reply

# The signal that contradicts what each step is posting.
TURNED_BY = {"post_done": "refused", "post_undone": "done"}


class Refund(OperationSaga):
    """The definition of the refund saga."""

    kind = "refund"
    asks = RefundPayment
    posted_when_done = "refunded"
    posted_when_undone = "refund_returned"

    def command(self, data: OperationData) -> RefundPayment:
        return RefundPayment(
            payment=data.payment,
            attempt=data.attempt,
            operation=data.operation,
            minor=data.minor,
            currency=data.currency,
        )

    def on_signal(self, step: str, data: OperationData, signal: str) -> D | None:
        """React as every operation does. In addition a finished refund may still fail, weeks later."""
        if signal == "doubted":
            if step == "inquire" and data.is_doubted and inquiry_delay(data.inquiries) is not None:
                return None  # an inquiry is under way; its answer decides nothing if it is older than this
            return self._doubted(step, with_changes(data, is_doubted=True, inquiries=0))
        if signal == "arrived":
            data = with_changes(data, is_doubted=False)
        if signal == "resend" and data.is_doubted:
            return None  # a refund that failed had arrived
        if step == "finished" and signal == "refused":
            return self._undone(data)
        if step == "refused" and signal == "done":
            return self._done(with_changes(data, is_doubted=False))  # it failed, and was made after all
        if step == "inquire" and signal == "done" and data.is_booked:
            return None
        if step in TURNED_BY and signal in ("done", "refused"):
            return self._turned(step, data, signal)
        return super().on_signal(step, data, signal)

    def _turned(self, step: str, data: OperationData, signal: str) -> D | None:
        """Remember an opposite outcome for after this posting, or forget it if it was reversed again."""
        told = signal if signal == TURNED_BY[step] else ""
        if told == data.told:
            return None
        is_doubted = data.is_doubted and signal == "refused"
        return D(step=step, data=with_changes(data, told=told, is_doubted=is_doubted), recalculate=True)

    def _doubted(self, step: str, data: OperationData) -> D | None:
        if step == "finished":
            return self._ask(with_changes(data, is_booked=True))
        if step in ("await_provider", "inquire"):
            # An answer that is under way is older than this doubt, so we ask again without waiting for it.
            return self._ask(data)
        if step in (self.kind, "post_done", "conflicted") or (step == "post_undone" and data.told == "done"):
            return D(step=step, data=data)
        return None

    def _await_provider(self, data: OperationData) -> D:
        return self._ask(data) if data.is_doubted else super()._await_provider(data)

    def _finished(self, data: OperationData) -> D:
        return self._ask(data) if data.is_doubted else super()._finished(data)

    def _inquired(self, data: OperationData, reply: Reply) -> D:
        """Handle the answer. For a refund in doubt, "approved" means that the provider denies the failure."""
        if reply.ok and reply.result.get("outcome") == "approved":
            data = with_changes(data, is_doubted=False)
        return super()._inquired(data, reply)
