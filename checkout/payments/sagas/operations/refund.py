"""The refund: it gives captured money back. It is booked when confirmed, and booked back if it is returned.

The money of a failed refund could be refunded once more, so a notification that it failed is not believed by
itself. The refund is in doubt, and the provider is asked, at once or as soon as the command under way has
been answered. Meanwhile the refund keeps its state, even if it is done and booked.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from msgspec.structs import replace as with_changes

from checkout.ledger.messages import Posting
from checkout.payments.messages import ProviderAnswered, ProviderOutcome, RefundPayment
from checkout.payments.sagas.operations.data import At, OperationData, OperationDecision
from checkout.payments.sagas.operations.flow import OperationSaga
from checkout.payments.sagas.pauses import inquiry_delay
from checkout.payments.sagas.signals import Signal
from checkout.payments.sagas.table import AfterSignal, Step

Hears = Mapping[Signal, AfterSignal[OperationData]]


class Refund(OperationSaga):
    """The definition of the refund saga."""

    kind = "refund"
    asks = RefundPayment
    posted_when_done = Posting.REFUNDED
    posted_when_undone = Posting.REFUND_RETURNED

    def table(self) -> Sequence[Step[OperationData]]:
        """The steps of every operation. In addition a refund may fail, even weeks after it was finished."""
        heard: Mapping[str, Hears] = {
            self.kind: {Signal.DOUBTED: self.ask_afterwards(self.kind)},
            At.AWAIT_PROVIDER: {Signal.DOUBTED: self.ask_in_doubt},
            At.INQUIRE: {Signal.DOUBTED: self.ask_anew, Signal.DONE: self.done_unless_booked},
            At.CONFLICTED: {Signal.DOUBTED: self.ask_afterwards(At.CONFLICTED)},
            At.FINISHED: {Signal.DOUBTED: self.ask_about_a_finished_one, Signal.REFUSED: self.booked_back},
            At.REFUSED: {Signal.DONE: self.made_after_all},
        }
        rows = [replace(row, hears={**row.hears, **heard[row.name]}) for row in super().table()]
        return [self._with_confirmation(row) if row.name == At.INQUIRE else row for row in rows]

    def _with_confirmation(self, row: Step[OperationData]) -> Step[OperationData]:
        return replace(row, on={**row.on, ProviderOutcome.APPROVED: self.failure_denied})

    # A notification says that the refund failed

    def ask_in_doubt(self, data: OperationData) -> OperationDecision:
        """Ask without waiting for an answer that is under way, as it is older than this doubt."""
        return self.ask(_doubted(data))

    def ask_anew(self, data: OperationData) -> OperationDecision | None:
        """Ask, unless an inquiry is under way. Its answer decides nothing if it is older than this."""
        is_asked = data.is_doubted and inquiry_delay(data.inquiries) is not None
        return None if is_asked else self.ask_in_doubt(data)

    def ask_about_a_finished_one(self, data: OperationData) -> OperationDecision:
        return self.ask_in_doubt(with_changes(data, is_booked=True))

    def ask_afterwards(self, step: str) -> Callable[[OperationData], OperationDecision]:
        """Finish the step first. What follows it asks the provider, as long as the refund is in doubt."""
        return lambda data: OperationDecision(step=step, data=_doubted(data))

    def failure_denied(self, data: OperationData, answer: ProviderAnswered) -> OperationDecision:
        """Believe the provider's answer, which denies the failure of a refund in doubt."""
        return self.done(_certain(data))

    # Another outcome comes than the one that is known

    def done_unless_booked(self, data: OperationData) -> OperationDecision | None:
        return None if data.is_booked else self.done(data)

    def made_after_all(self, data: OperationData) -> OperationDecision:
        """Book a refund that had failed, and was made after all."""
        return self.done(_certain(data))

    def arrived(self, data: OperationData) -> OperationDecision:
        """Do as if the provider had confirmed it. Staff found it there, so it is not in doubt any more."""
        return super().arrived(_certain(data))

    def resend(self, data: OperationData) -> OperationDecision | None:
        """Send the request again, but not that of a refund that failed: it had arrived."""
        return None if data.is_doubted else super().resend(data)

    # As long as the refund is in doubt, the provider is asked where other operations wait or end

    def await_provider(self, data: OperationData) -> OperationDecision:
        return self.ask(data) if data.is_doubted else super().await_provider(data)

    def finished(self, data: OperationData) -> OperationDecision:
        return self.ask(data) if data.is_doubted else super().finished(data)


def _doubted(data: OperationData) -> OperationData:
    return with_changes(data, is_doubted=True, inquiries=0)


def _certain(data: OperationData) -> OperationData:
    return with_changes(data, is_doubted=False)
