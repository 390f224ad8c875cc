"""The review: staff have the provider asked again about a payment that is conflicted.

If the provider's answer and our operations agree, the payment follows them. If they do not, or the provider
does not answer, nothing changes, and the reason is recorded as a fact of the payment.
"""

from collections.abc import Mapping
from typing import Any

from msgspec.structs import replace as with_changes

from checkout.conf import conf
from checkout.messages import Body, Command
from checkout.payments.messages import ReviewAttempt
from checkout.payments.sagas.definition import Ask, Decision, End
from checkout.payments.sagas.repeating import asked_again
from messaging.envelope import Reply

# The payment event of each outcome on which the provider and we agree.
EVENTS = {"held": "conflict_resolved", "released": "conflict_released"}


class ReviewData(Body, frozen=True, forbid_unknown_fields=False):
    """The attempt that the conflict is about. ``tries`` counts the questions without result."""

    payment: str
    attempt: str
    tries: int = 0


D = Decision[ReviewData]


class Review:
    """The definition of the review saga. It signals ``review_held`` or ``review_released``."""

    kind = "review"
    data_type = ReviewData
    steps = frozenset({"review", "finished"})
    questions: Mapping[str, type[Command[Any]]] = {"review": ReviewAttempt}

    def start(self, data: ReviewData) -> D:
        """Ask at once."""
        body = ReviewAttempt(payment=data.payment, attempt=data.attempt)
        ask = Ask(command=body)
        return D(step="review", data=data, ask=ask, timeout=conf.provider_wait)

    def on_reply(self, step: str, data: ReviewData, reply: Reply) -> D:
        """Move the payment if the provider and we agree; otherwise change nothing."""
        if again := asked_again(self.start, data, reply):
            return again
        outcome = str(reply.result.get("outcome")) if reply.ok else "unknown"
        if outcome not in EVENTS:
            return D(step="finished", data=data, end=End.COMPLETED)
        return D(
            step="finished",
            data=data,
            transitions=(EVENTS[outcome],),
            recalculate=outcome == "held",
            reply_to_waiters=True,
            notify_parent=f"review_{outcome}",
            end=End.COMPLETED,
        )

    def on_signal(self, step: str, data: ReviewData, signal: str) -> D | None:
        """Ignore the signal: the provider's answer says more than any signal."""
        return None

    def on_deadline(self, step: str, data: ReviewData) -> D:
        """Ask again, which is harmless: a review that is repeated finds the same."""
        return self.start(data)

    def on_resume(self, step: str, data: ReviewData) -> D:
        """Ask again."""
        return self.start(with_changes(data, tries=0))
