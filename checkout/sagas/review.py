"""The review: staff have the provider asked again about a payment that is conflicted.

Where the provider's word and our operations agree, the payment follows them. Where they do not, or the
provider does not answer, nothing changes, and the reason is a fact of the payment.
"""

from msgspec.structs import replace as with_changes

from checkout import commands
from checkout.conf import conf
from checkout.sagas.definition import Ask, Decision, End
from checkout.sagas.repeating import asked_again
from messaging.envelope import Reply

# What agreement makes of the payment.
EVENTS = {"held": "conflict_resolved", "released": "conflict_released"}


class ReviewData(commands.Body, frozen=True, forbid_unknown_fields=False):
    """The attempt that the contradiction is about. ``tries`` counts the questions without result."""

    payment: str
    attempt: str
    tries: int = 0


D = Decision[ReviewData]


class Review:
    """The definition of the review saga. It signals ``review_held`` or ``review_released``."""

    kind = "review"
    data_type = ReviewData
    steps = frozenset({"review", "finished"})
    questions = {"review": "payments.review"}

    def start(self, data: ReviewData) -> D:
        """Ask at once."""
        body = commands.ReviewAttempt(payment=data.payment, attempt=data.attempt)
        ask = Ask(service="payments", type="payments.review", body=body)
        return D(step="review", data=data, ask=ask, wait=conf.provider_wait)

    def on_reply(self, step: str, data: ReviewData, reply: Reply) -> D:
        """Follow what was agreed on, and nothing else."""
        if again := asked_again(self.start, data, reply):
            return again
        outcome = str(reply.result.get("outcome")) if reply.ok else "unknown"
        if outcome not in EVENTS:
            return D(step="finished", data=data, end=End.COMPLETED)
        return D(
            step="finished",
            data=data,
            events=(EVENTS[outcome],),
            counts=outcome == "held",
            tells=True,
            signals=f"review_{outcome}",
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
