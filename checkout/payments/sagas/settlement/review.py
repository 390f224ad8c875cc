"""The review: staff have the provider asked again about a payment that is conflicted.

If the provider's answer and our operations agree, the payment follows them. If they do not, or the provider
does not answer, nothing changes, and the reason is recorded as a fact of the payment.
"""

from collections.abc import Sequence
from dataclasses import replace

from msgspec.structs import replace as with_changes

from checkout.messages import Body
from checkout.payments.messages import AttemptReviewed, ReviewAttempt, ReviewOutcome
from checkout.payments.sagas.definition import Decision, End
from checkout.payments.sagas.pauses import provider_wait
from checkout.payments.sagas.signals import Signal
from checkout.payments.sagas.table import Go, Repeated, Step, TableSaga
from checkout.states import PaymentEvent
from messaging.envelope import Reply


class ReviewData(Body, frozen=True, forbid_unknown_fields=False):
    """The attempt that the conflict is about. ``tries`` counts the questions without result."""

    payment: str
    attempt: str
    tries: int = 0


ReviewDecision = Decision[ReviewData]


class Review(TableSaga[ReviewData]):
    """The definition of the review saga. It signals ``review_held`` or ``review_released``."""

    kind = "review"
    data_type = ReviewData

    def table(self) -> Sequence[Step[ReviewData]]:
        """The steps. No signal is heard: the provider's answer says more than any signal."""
        return (
            Step(
                name="review",
                asks=ReviewAttempt,
                within=provider_wait,
                repeated=Repeated.ALWAYS,
                on={ReviewOutcome.HELD: self.held, ReviewOutcome.RELEASED: self.released},
                failed=self.not_settled,
                unknown=self.begin,
            ),
            Step(name="finished", ends=End.COMPLETED),
        )

    def begin(self, data: ReviewData) -> ReviewDecision:
        """Ask, which is harmless: a review that is repeated finds the same."""
        return Go(step="review", data=data)

    def afresh(self, data: ReviewData) -> ReviewData:
        """Count from zero."""
        return with_changes(data, tries=0)

    def held(self, data: ReviewData, answer: AttemptReviewed) -> ReviewDecision:
        return replace(self._settled(data, "conflict_resolved", Signal.REVIEW_HELD), recalculate=True)

    def released(self, data: ReviewData, answer: AttemptReviewed) -> ReviewDecision:
        return self._settled(data, "conflict_released", Signal.REVIEW_RELEASED)

    def not_settled(self, data: ReviewData, reply: Reply) -> ReviewDecision:
        """Change nothing, as the provider and we do not agree."""
        return Go(step="finished", data=data)

    def _settled(self, data: ReviewData, event: PaymentEvent, signal: Signal) -> ReviewDecision:
        return Go(
            step="finished", data=data, transitions=(event,), reply_to_waiters=True, notify_parent=signal
        )
