"""The refund: captured money is given back. Booked when confirmed; booked back when the issuer returns it.

That it failed would free its money to be given back once more, so it is not believed when somebody says so:
the refund is doubted, and the provider is asked, at once or as soon as what is under way has been answered.
Meanwhile it stays what it was, even when that is done and booked.
"""

from msgspec.structs import replace as with_changes

from checkout import commands
from checkout.sagas.operation import D, OperationData, OperationSaga
from checkout.sagas.pauses import inquiry_delay
from messaging.envelope import Reply

# The news that turn round what is being posted.
TURNED_BY = {"post_done": "refused", "post_undone": "done"}


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
        if signal == "doubted":
            if step == "inquire" and data.is_doubted and inquiry_delay(data.inquiries) is not None:
                return None  # it is being asked about, and an answer that is older than this decides nothing
            return self._doubted(step, with_changes(data, is_doubted=True, inquiries=0))
        if signal == "arrived":
            data = with_changes(data, is_doubted=False)
        if signal == "resend" and data.is_doubted:
            return None  # who says that it failed has seen it
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
        """Remember what comes after this posting: the opposite, or nothing if the news turned round again."""
        told = signal if signal == TURNED_BY[step] else ""
        if told == data.told:
            return None
        is_doubted = data.is_doubted and signal == "refused"
        return D(step=step, data=with_changes(data, told=told, is_doubted=is_doubted), counts=True)

    def _doubted(self, step: str, data: OperationData) -> D | None:
        if step == "finished":
            return self._ask(with_changes(data, is_booked=True))
        if step in ("await_provider", "inquire"):
            # An answer that is under way is older than this doubt: it is not waited for.
            return self._ask(data)
        if step in (self.kind, "post_done", "conflicted") or (step == "post_undone" and data.told == "done"):
            return D(step=step, data=data)
        return None

    def _await_provider(self, data: OperationData) -> D:
        return self._ask(data) if data.is_doubted else super()._await_provider(data)

    def _finished(self, data: OperationData) -> D:
        return self._ask(data) if data.is_doubted else super()._finished(data)

    def _inquired(self, data: OperationData, reply: Reply) -> D:
        """A refund in doubt is only called approved when the provider has denied that it failed."""
        if reply.ok and reply.result.get("outcome") == "approved":
            data = with_changes(data, is_doubted=False)
        return super()._inquired(data, reply)
