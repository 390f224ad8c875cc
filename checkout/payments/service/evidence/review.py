"""Ask the provider again about an attempt of a conflicted payment, because staff want to settle it."""

from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial

from django.db.models import Q

from checkout.money import Money
from checkout.payments.calls import CallsInFlight, under_way
from checkout.payments.events import move_attempt
from checkout.payments.messages import AttemptReviewed, ReviewAttempt, ReviewOutcome
from checkout.payments.models import Attempt, Fact, Operation, Saga
from checkout.payments.models.payment import NOTIFIED
from checkout.payments.providers.base import EventKind, Outcome, Position, ProviderResult
from checkout.payments.sagas.operations.adoption import adopt
from checkout.payments.sagas.operations.opening import open_capture
from checkout.payments.sagas.purchase.data import At
from checkout.payments.sagas.purchase.flow import Purchase
from checkout.payments.sagas.settlement.reckoning import (
    holders_beside,
    is_contradicted_beside,
    others_of,
)
from checkout.payments.service.attempt_outcome import is_for_another_payment
from checkout.payments.service.attempts import attempt_of
from checkout.payments.service.evidence.absence import may_order_exist
from checkout.payments.service.evidence.booked_operations import (
    are_sums_void,
    booked_operations_of,
    is_charge_back_open,
    may_be_from_before_a_booking,
    position_given,
)
from checkout.payments.service.facts import fact_of
from checkout.payments.service.operation_outcome import shows_money
from checkout.payments.service.provider_call import Conclusion, provider_inquiry
from checkout.payments.service.service import service
from checkout.payments.totals import ALL_BUT_REFUSED, OPEN, Sums, operations_of, sums_of_attempt
from checkout.privacy.scrubbing import scrub_text
from checkout.states import OPEN_ATTEMPTS, Actor, AttemptState
from messaging.outbox.clock import server_time_now
from messaging.worker.service import Message

Kind, State = Operation.Kind, Operation.State
SUMS = {
    Kind.CAPTURE: "captures",
    Kind.REFUND: "refunds",
    Kind.CHARGE_BACK: "charge-backs",
    Kind.CHARGE_BACK_REVERSAL: "charge-backs",
}
FOUND = "Found at the provider when staff had it asked"
REFUND_TOLD = [f"{NOTIFIED}{kind}" for kind in (EventKind.REFUND_SENT, EventKind.REFUNDED)]
ANSWERS = (Outcome.APPROVED, Outcome.REFUSED, Outcome.NOT_SENT)


@dataclass(frozen=True, slots=True)
class ReviewResult:
    """The outcome of a review, and the reason, for staff, if it is not ``HELD`` or ``RELEASED``."""

    outcome: ReviewOutcome
    why: str = ""


@dataclass(frozen=True, slots=True)
class Gap:
    """A sum of which the provider's value differs from ours.

    ``kind`` is the kind of operation that would close the gap, ``left`` the most that this operation may
    move, in minor units.
    """

    kind: Operation.Kind
    ours: Money
    theirs: Money
    left: int

    @property
    def minor(self) -> int:
        """The amount of the operation that would close the gap, in minor units."""
        more = self.theirs.minor - self.ours.minor
        return -more if self.kind == Kind.CHARGE_BACK_REVERSAL else more

    @property
    def may_be_adopted(self) -> bool:
        """Return True if the provider may have moved exactly this amount by itself."""
        return self.theirs.currency == self.ours.currency and 0 < self.minor <= self.left

    @property
    def in_words(self) -> str:
        """The difference, for staff."""
        return f"The {SUMS[self.kind]} at the provider come to {self.theirs}, ours to {self.ours}."


@service.handles(ReviewAttempt, transactional=False)
def review(command: ReviewAttempt, message: Message) -> None:
    """Answer whether the provider holds money for the payment, if its answer agrees with our operations now.

    A movement that the provider made by itself on an authorised attempt is adopted if the provider reports
    its sums and at most one of them differs. A refund that only follows from what is kept of the captures
    must be notified as well. The movement becomes an operation that is done, and is posted like any other. A
    conflicted attempt is only settled if no sum differs.
    """
    attempt = attempt_of(command.attempt)
    before, sums = under_way(attempt), sums_of_attempt(attempt)
    provider_inquiry(message, attempt, partial(_conclude, before, sums, server_time_now()))


def _stands(why: str) -> ReviewResult:
    return ReviewResult(ReviewOutcome.STANDS, why)


def _unknown(why: str) -> ReviewResult:
    return ReviewResult(ReviewOutcome.UNKNOWN, why)


def _conclude(
    before: CallsInFlight, sums: Sums, asked_at: datetime, attempt: Attempt, result: ProviderResult
) -> Conclusion:
    if sums_of_attempt(attempt) == sums:
        finding = _judged(attempt, before, sums, asked_at, result)
    else:
        finding = _unknown("Something was booked while the provider was asked. Ask again.")
    data = {"why": finding.why, "event": result.event}
    fact = fact_of(attempt, f"review_{finding.outcome}", data, result)
    return Conclusion(AttemptReviewed(outcome=finding.outcome), fact)


def _judged(
    attempt: Attempt, before: CallsInFlight, sums: Sums, asked_at: datetime, result: ProviderResult
) -> ReviewResult:
    if result.outcome not in ANSWERS:
        return _unknown("The provider did not say what became of it. Ask again later.")
    if result.outcome == Outcome.NOT_SENT and may_order_exist(before, attempt):
        return _unknown("The provider does not find the order, which may exist. Look it up there.")
    if is_for_another_payment(attempt, result):
        return _stands(f"The provider still speaks of other money than ours: {result.amount}.")
    if shows_money(result):
        return _held(attempt, sums, asked_at, result)
    return _released(attempt, sums)


def _held(attempt: Attempt, sums: Sums, asked_at: datetime, result: ProviderResult) -> ReviewResult:
    if others_of(attempt, AttemptState.AUTHORISED, AttemptState.CONFLICTED, *OPEN_ATTEMPTS):
        return _stands("Another attempt holds money, too, is under way, or contradicts us as well.")
    if attempt.state not in (AttemptState.AUTHORISED, AttemptState.CONFLICTED):
        return _stands(f"The provider holds money, and the attempt is {attempt.state}.")
    if sums.total(Kind.VOID, State.DONE):
        return _stands("The provider still holds what we have as released.")
    position = None if are_sums_void(attempt.order_code, result) else _position(sums, result)
    if position is None and (result.kind != EventKind.AUTHORISED or sums.captured):
        # Without sums, only the last event AUTHORISED says enough: the first capture would have replaced it.
        return _stands("The provider does not tell how much was captured and refunded.")
    gaps = _gaps(attempt, sums, position) if position else []
    if gaps and may_be_from_before_a_booking(attempt, asked_at):
        return _unknown("The answer may be from before our last booking. Ask again later.")
    if result.position is None and sums.captured < sums.owed:
        # The rest may have been released, or captured and given back, so no sum is certain enough.
        gaps = [replace(gap, left=0) for gap in gaps]
    if result.position is None or result.presume_unsettled:
        # A captured sum that seems too small is no proof of a refund.
        gaps = [replace(gap, left=0) if _is_untold_refund(attempt, gap) else gap for gap in gaps]
    if position and position.charged_back is None and is_charge_back_open(attempt, result):
        gaps = [replace(gap, left=0) if gap.kind == Kind.REFUND else gap for gap in gaps]
    for gap in gaps:
        if not gap.may_be_adopted or attempt.state != AttemptState.AUTHORISED:
            return _stands(gap.in_words)
    if len(gaps) > 1:
        # A balance that the provider fails to report would make several sums wrong, not only one.
        words = " ".join(gap.in_words for gap in gaps)
        return _stands(f"{words} Only one sum that differs would be believed.")
    if attempt.state == AttemptState.CONFLICTED:
        _move(attempt, "reviewed_as_authorised")
        if attempt.capture_reference:
            open_capture(attempt)
    for gap in gaps:
        adopt(attempt, gap.kind, gap.minor, reason=FOUND)
    return ReviewResult(ReviewOutcome.HELD)


def _position(sums: Sums, result: ProviderResult) -> Position | None:
    taken = sums.captured
    return position_given(
        result,
        owed=sums.owed,
        captured=(taken, taken + sums.total(Kind.CAPTURE, *OPEN)),
        least_refunded=sums.refunded,
    )


def _gaps(attempt: Attempt, sums: Sums, position: Position) -> list[Gap]:
    """Return the provider's sums that our operations, including those under way, do not explain."""
    owed = attempt.payment.amount
    gaps = []
    for kind, theirs, meant, left in (
        (Kind.CAPTURE, position.captured, (position.captured.minor,), owed.minor - sums.captured),
        (
            Kind.REFUND,
            position.refunded,
            position.refunds_beside(sums.charged_back),
            sums.left_to_charge_back,
        ),
    ):
        done, asked = sums.total(kind, State.DONE), sums.total(kind, *OPEN)
        most = booked_operations_of(attempt, kind).most
        if not any(done <= minor <= most for minor in meant):
            # Nothing is adopted beside what may still be sent: staff say first that it is not to be.
            gaps.append(Gap(kind, Money(done, owed.currency), theirs, left=0 if asked else left))
    theirs = position.charged_back or Money(sums.charged_back, owed.currency)
    ours = Money(sums.charged_back, owed.currency)
    if theirs.minor > ours.minor:
        gaps.append(Gap(Kind.CHARGE_BACK, ours, theirs, left=sums.left_to_charge_back))
    elif theirs.minor < ours.minor:
        gaps.append(Gap(Kind.CHARGE_BACK_REVERSAL, ours, theirs, left=ours.minor))
    return gaps


def _is_untold_refund(attempt: Attempt, gap: Gap) -> bool:
    """Return True for a refund of an amount of which no proven notification tells, beside those of ours."""
    if gap.kind != Kind.REFUND:
        return False
    ours = {scrub_text(each.reference) for each in operations_of(attempt)}
    told = Fact.objects.filter(
        attempt=attempt, kind__in=REFUND_TOLD, data__amount=str(Money(gap.minor, gap.theirs.currency))
    )
    return all(fact.data.get("reference", "") in ours for fact in told.only("data"))


def _released(attempt: Attempt, sums: Sums) -> ReviewResult:
    if sums.captured:
        ours = Money(sums.captured, attempt.payment.currency)
        why = f"The provider holds nothing, and we have {ours} captured."
        if sums.captured < sums.owed:
            why = f"{why} It may have released only the rest, and does not tell what it has captured."
        return _stands(why)
    parts = attempt.operations.filter(kind=Kind.CAPTURE, state__in=OPEN)
    if parts.exclude(amount_minor=attempt.payment.amount_minor).exists():
        # The capture may have arrived, so that only the rest was released.
        return _stands("The provider holds nothing, and a capture of a part is still open.")
    if attempt.state == AttemptState.CONFLICTED:
        _move(attempt, "reviewed_as_refused")
    elif attempt.state == AttemptState.AUTHORISED and not sums.total(Kind.VOID, *ALL_BUT_REFUSED):
        adopt(attempt, Kind.VOID, attempt.payment.amount_minor, reason=FOUND)
    if others_of(attempt, AttemptState.CONFLICTED, *OPEN_ATTEMPTS) or is_contradicted_beside(attempt):
        return _stands("Nothing is held for this attempt, but another one is not settled either.")
    if holders_beside(attempt):
        return ReviewResult(ReviewOutcome.HELD)
    if _has_purchase_beside(attempt):
        return _stands(
            "Nothing is held any more, and the purchase of another attempt has perhaps confirmed the order. "
            "Settle the contradiction yourself: then the order is called off."
        )
    return ReviewResult(ReviewOutcome.RELEASED)


def _has_purchase_beside(attempt: Attempt) -> bool:
    """Return True if another attempt's purchase is not undone. A review only tells that of its own."""
    others = attempt.payment.sagas.filter(kind=Purchase.kind).exclude(attempt=attempt)
    undone = Q(step__in=(At.RELEASE_STOCK, At.CANCEL_ORDER)) | Q(status=Saga.Status.COMPENSATED)
    return others.exclude(undone).exists()


def _move(attempt: Attempt, event: str) -> None:
    move_attempt(attempt.payment, attempt, event, Actor.PROVIDER)
