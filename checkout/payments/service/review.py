"""Ask the provider again about an attempt of a conflicted payment, because staff want to settle it."""

from dataclasses import dataclass
from datetime import datetime
from functools import partial

from django.db.models import Q

from checkout.conf import conf
from checkout.money import Money
from checkout.payments.books.apply import adopt, note_release
from checkout.payments.books.compare_authorisations import is_for_another_payment
from checkout.payments.books.compare_sums import compare_sums
from checkout.payments.books.figures import (
    holders_beside,
    is_contradicted_beside,
    others_of,
)
from checkout.payments.books.ours import may_order_exist, ours_of
from checkout.payments.books.theirs import Answer, shows_money
from checkout.payments.books.verdicts import Conclusion
from checkout.payments.calls import CallsInFlight, under_way
from checkout.payments.events import move_attempt
from checkout.payments.messages import AttemptReviewed, ReviewAttempt, ReviewOutcome
from checkout.payments.models import Attempt, Operation, Saga
from checkout.payments.providers.base import Outcome, ProviderResult
from checkout.payments.sagas.operations.opening import open_capture
from checkout.payments.sagas.purchase.data import At
from checkout.payments.sagas.purchase.flow import Purchase
from checkout.payments.service.attempts import attempt_of
from checkout.payments.service.facts import fact_of
from checkout.payments.service.provider_call import CallResult, provider_inquiry
from checkout.payments.service.service import service
from checkout.payments.totals import ALL_BUT_REFUSED, OPEN, Sums, sums_of_attempt
from checkout.states import OPEN_ATTEMPTS, Actor, AttemptState
from messaging.outbox.clock import server_time_now
from messaging.worker.service import Message

Kind, State = Operation.Kind, Operation.State
FOUND = "Found at the provider when staff had it asked"
ANSWERS = (Outcome.APPROVED, Outcome.REFUSED, Outcome.NOT_FOUND)


@dataclass(frozen=True, slots=True)
class ReviewResult:
    """The outcome of a review, and the reason, for staff, if it is not ``HELD`` or ``RELEASED``."""

    outcome: ReviewOutcome
    why: str = ""


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
) -> CallResult:
    if sums_of_attempt(attempt) == sums:
        finding = _judged(attempt, before, sums, asked_at, result)
    else:
        finding = _unknown("Something was booked while the provider was asked. Ask again.")
    note_release(attempt, ours_of(attempt), result.kind)
    data = {"why": finding.why, "event": result.event}
    fact = fact_of(attempt, f"review_{finding.outcome}", data, result)
    return CallResult(AttemptReviewed(outcome=finding.outcome), fact)


def _judged(
    attempt: Attempt, before: CallsInFlight, sums: Sums, asked_at: datetime, result: ProviderResult
) -> ReviewResult:
    if result.outcome not in ANSWERS:
        return _unknown("The provider did not say what became of it. Ask again later.")
    if result.outcome == Outcome.NOT_FOUND and may_order_exist(before, attempt):
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
    ours = ours_of(attempt)
    answer = Answer(result=result, asked_at=asked_at, lag=conf.order_lag)
    verdict, gap = compare_sums(ours, answer)
    if verdict.conclusion == Conclusion.OPEN:
        return _unknown(verdict.why)
    if verdict.conclusion == Conclusion.CONTRADICTION:
        return _stands(verdict.why)
    if attempt.state == AttemptState.CONFLICTED:
        _move(attempt, "reviewed_as_authorised")
        if attempt.capture_reference:
            open_capture(attempt)
    if gap is not None:
        adopt(attempt, gap.kind, gap.minor, reason=FOUND)
    return ReviewResult(ReviewOutcome.HELD)


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
