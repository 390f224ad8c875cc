"""The saga that asks the provider about money that our books do not explain: one event, or a whole payment.

A notification, which anybody may have sent, may report an **event** that none of our operations explains. If
the provider confirms the event, the expiry of an authorisation is applied, and a charge-back or its reversal
is booked by a saga of its own. If the event is an operation that we never requested, the payment becomes
conflicted, for staff. If the provider's answers are not enough to decide, the saga is parked: staff enter
what they found out, or have the saga ask again.

Staff have the saga ask about a **payment** that is conflicted. If the provider's answer and our operations
agree, the payment follows its operations. If they do not agree, or the provider does not answer, nothing
changes, and the reason is recorded as a fact of the payment.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from msgspec.structs import replace as with_changes

from checkout.conf import conf
from checkout.messages import Body
from checkout.payments.messages import (
    AttemptReviewed,
    CheckClaim,
    ClaimChecked,
    ClaimOutcome,
    ReviewAttempt,
    ReviewOutcome,
)
from checkout.payments.models.saga import ASKING
from checkout.payments.providers.base import EventKind
from checkout.payments.sagas.definition import Decision, End
from checkout.payments.sagas.pauses import UNDECIDED_ANSWERS, inquiry_delay, provider_wait
from checkout.payments.sagas.signals import Signal
from checkout.payments.sagas.table import Go, Repeated, Step, TableSaga
from checkout.states import PaymentEvent
from messaging.envelope import Reply

# The payment event that follows a confirmed claim. Any other claim, such as a capture that is not ours, has
# "conflicted".
EVENTS: Mapping[str, PaymentEvent] = {EventKind.EXPIRED: "authorisation_expired"}

# The signal to the purchase that follows an event of its payment.
NEWS: Mapping[PaymentEvent, Signal] = {"authorisation_expired": Signal.LAPSED}

# The steps at which the provider is asked: about an event, or about all money of a conflicted payment.
CHECK, REVIEW = "check", "review"


class AskingData(Body, frozen=True, forbid_unknown_fields=False):
    """The data of one question.

    ``claim`` is the kind of the event that was notified, and ``operation`` the reference of our operation
    that the notification names. ``minor``, ``currency``, ``event_id`` and ``is_proven`` are those of the
    notification, see ``CheckClaim``. Without a claim, the question is about the payment. ``undecided`` counts
    the answers that neither confirmed nor denied the claim. ``is_confirmed`` says that the provider has
    confirmed the claim without enough details to book it: a later event of the order then does not deny the
    claim. ``waits_seconds`` is the delay before the first question. ``inquiries`` counts the questions about
    the claim, ``tries`` the questions without result.
    """

    payment: str
    attempt: str
    claim: str = ""
    operation: str = ""
    minor: int | None = None
    currency: str = ""
    event_id: str = ""
    is_proven: bool = True
    inquiries: int = 0
    undecided: int = 0
    is_confirmed: bool = False
    waits_seconds: float = 0
    statements: tuple[str, ...] = ()
    answer: str = ""
    is_answered_by_staff: bool = False
    tries: int = 0


AskingDecision = Decision[AskingData]


class Asking(TableSaga[AskingData]):
    """The definition of the saga that asks."""

    kind = ASKING
    data_type = AskingData

    def table(self) -> Sequence[Step[AskingData]]:
        """Return the steps. Staff may settle a claim; the provider's answer outweighs all other signals."""
        return (
            Step(
                name=CHECK,
                asks=CheckClaim,
                within=provider_wait,
                on={
                    ClaimOutcome.CONFIRMED: self.settled,
                    ClaimOutcome.BOOKED: self.settled,
                    ClaimOutcome.DENIED: self.denied,
                    ClaimOutcome.UNCLEAR: self.unclear,
                    ClaimOutcome.UNDECIDED: self.undecided,
                },
                unknown=self.ask_later,
                hears={
                    Signal.CONFIRMED: self.settled_by_staff(ClaimOutcome.CONFIRMED),
                    Signal.DENIED: self.settled_by_staff(ClaimOutcome.DENIED),
                    Signal.BOOKED: self.settled_by_staff(ClaimOutcome.BOOKED),
                },
            ),
            Step(
                name=REVIEW,
                asks=ReviewAttempt,
                within=provider_wait,
                repeated=Repeated.ALWAYS,
                on={ReviewOutcome.HELD: self.held, ReviewOutcome.RELEASED: self.released},
                failed=self.not_agreed,
                unknown=self.begin,
            ),
            Step(name="finished", ends=End.COMPLETED),
        )

    def begin(self, data: AskingData) -> AskingDecision:
        """Ask after ``waits_seconds``, which may be zero. Asking twice is harmless."""
        return Go(step=CHECK if data.claim else REVIEW, data=data, delay_seconds=data.waits_seconds)

    def afresh(self, data: AskingData) -> AskingData:
        """Count from zero."""
        return with_changes(data, inquiries=0, undecided=0, tries=0)

    def on_resume(self, step: str, data: AskingData) -> AskingDecision:
        """Ask at once."""
        return super().start(with_changes(self.afresh(data), waits_seconds=0))

    # About an event

    def settled(self, data: AskingData, answer: ClaimChecked) -> AskingDecision:
        return _ended(data, answer.outcome)

    def denied(self, data: AskingData, answer: ClaimChecked) -> AskingDecision:
        """End the saga: the provider denies the event. If a proven event may not show yet, ask again.

        A hint is not asked about again, because other hints wait until its question is answered. If the
        provider has confirmed the claim before, a later event of the order does not deny it.
        """
        if data.is_confirmed:
            return self.undecided(data, answer)
        asked_for_seconds = sum(conf.inquiry_delays[: data.inquiries])
        must_show = asked_for_seconds >= conf.modification_lag.total_seconds()
        if must_show or not data.is_proven or inquiry_delay(data.inquiries) is None:
            return _ended(data, answer.outcome)
        return self.ask_later(data)

    def unclear(self, data: AskingData, answer: ClaimChecked) -> AskingDecision:
        """Park the saga: the provider confirms the event, but its answer is too vague to book it."""
        why = answer.why or "The provider does not tell enough."
        return AskingDecision(step=CHECK, data=with_changes(data, is_confirmed=True), end=End.PARKED, why=why)

    def undecided(self, data: AskingData, answer: ClaimChecked) -> AskingDecision:
        counted = with_changes(data, undecided=data.undecided + 1)
        if counted.undecided < UNDECIDED_ANSWERS:
            return self.ask_later(counted)
        why = f"The provider's answers neither confirm nor deny it: {data.claim}. Look it up there."
        return AskingDecision(step=CHECK, data=counted, end=End.PARKED, why=why)

    def ask_later(self, data: AskingData) -> AskingDecision:
        """Ask again, at growing intervals."""
        delay_seconds = inquiry_delay(data.inquiries)
        if delay_seconds is None:
            why = f"The provider neither confirmed nor denied: {data.claim}."
            return AskingDecision(step=CHECK, data=data, end=End.PARKED, why=why)
        counted = with_changes(data, inquiries=data.inquiries + 1)
        return Go(step=CHECK, data=counted, delay_seconds=delay_seconds)

    def settled_by_staff(self, outcome: ClaimOutcome) -> Callable[[AskingData], AskingDecision]:
        return lambda data: _ended(with_changes(data, is_answered_by_staff=True), outcome)

    # About a payment

    def held(self, data: AskingData, answer: AttemptReviewed) -> AskingDecision:
        return replace(_resolved(data, "conflict_resolved", Signal.REVIEW_HELD), recalculate=True)

    def released(self, data: AskingData, answer: AttemptReviewed) -> AskingDecision:
        return _resolved(data, "conflict_released", Signal.REVIEW_RELEASED)

    def not_agreed(self, data: AskingData, reply: Reply) -> AskingDecision:
        """End without a change, because the provider's answer and our operations do not agree."""
        return Go(step="finished", data=data)


def _ended(data: AskingData, outcome: ClaimOutcome) -> AskingDecision:
    """End the saga. If the claim is true and not booked yet, the payment has expired, or is conflicted."""
    decision = Go(step="finished", data=with_changes(data, answer=str(outcome)))
    if outcome == ClaimOutcome.DENIED and data.is_proven:
        return replace(decision, ends_doubt=True)
    if outcome != ClaimOutcome.CONFIRMED:
        return decision
    event = EVENTS.get(data.claim, "conflicted")
    return replace(decision, transitions=(event,), notify_parent=NEWS.get(event))


def _resolved(data: AskingData, event: PaymentEvent, signal: Signal) -> AskingDecision:
    return Go(step="finished", data=data, transitions=(event,), reply_to_waiters=True, notify_parent=signal)
