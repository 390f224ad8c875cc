"""Ask the provider again about an attempt of a conflicted payment, because staff want to settle it."""

from datetime import datetime
from functools import partial

from django.db.models import Q

from checkout.conf import conf
from checkout.payments.books.apply import adopt, note_release
from checkout.payments.books.compare_authorisations import is_for_another_payment
from checkout.payments.books.compare_sums import Gap, compare_review
from checkout.payments.books.figures import (
    holders_beside,
    is_contradicted_beside,
    others_of,
)
from checkout.payments.books.ours import may_order_exist, ours_of
from checkout.payments.books.theirs import Answer
from checkout.payments.books.verdicts import Conclusion, Verdict
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
from checkout.payments.totals import ALL_BUT_REFUSED, Sums, sums_of_attempt
from checkout.states import OPEN_ATTEMPTS, Actor, AttemptState
from messaging.outbox.clock import server_time_now
from messaging.worker.service import Message

Kind, State = Operation.Kind, Operation.State
FOUND = "Found at the provider when staff had it asked"


_OUTCOMES = {
    Conclusion.CONFIRMED: ReviewOutcome.HELD,
    Conclusion.ADOPTED: ReviewOutcome.HELD,
    Conclusion.REFUSED: ReviewOutcome.RELEASED,
    Conclusion.CONTRADICTION: ReviewOutcome.STANDS,
    Conclusion.OPEN: ReviewOutcome.UNKNOWN,
}


@service.handles(ReviewAttempt, transactional=False)
def review(command: ReviewAttempt, message: Message) -> None:
    """Answer whether the provider holds money for the payment, if its answer agrees with our operations now.

    A movement that was made at the provider, without a request of ours, on an authorised attempt is adopted
    if the provider reports its sums and at most one of them differs. A refund that only follows from the
    captured sum that is kept must be notified as well. The movement becomes an operation that is done, and is
    posted like any other. A conflicted attempt is only settled if no sum differs.
    """
    attempt = attempt_of(command.attempt)
    before, sums = under_way(attempt), sums_of_attempt(attempt)
    provider_inquiry(message, attempt, partial(_conclude, before, sums, server_time_now()))


def _conclude(
    before: CallsInFlight, sums: Sums, asked_at: datetime, attempt: Attempt, result: ProviderResult
) -> CallResult:
    ours = ours_of(attempt)
    if sums_of_attempt(attempt) == sums:
        verdict, gap = compare_review(
            ours,
            Answer(result=result, asked_at=asked_at, lag=conf.order_lag),
            may_exist=result.outcome == Outcome.NOT_FOUND and may_order_exist(before, attempt),
            is_for_another=is_for_another_payment(attempt, result),
            is_alone=not others_of(attempt, AttemptState.AUTHORISED, AttemptState.CONFLICTED, *OPEN_ATTEMPTS),
        )
        if verdict.conclusion == Conclusion.REFUSED:
            verdict = _release(attempt, sums)
        elif verdict.conclusion in (Conclusion.CONFIRMED, Conclusion.ADOPTED):
            _hold(attempt, gap)
    else:
        why = "Something was booked while the provider was asked. Ask again."
        verdict = Verdict(Conclusion.OPEN, "G5", why=why)
    note_release(attempt, ours_of(attempt), result.kind)
    outcome = _OUTCOMES[verdict.conclusion]
    fact = fact_of(attempt, f"review_{outcome}", {"why": verdict.why, "event": result.event}, result)
    return CallResult(AttemptReviewed(outcome=outcome), fact)


def _hold(attempt: Attempt, gap: Gap | None) -> None:
    """Move the attempt to authorised, and adopt the operation that explains the difference of the sums."""
    if attempt.state == AttemptState.CONFLICTED:
        _move(attempt, "reviewed_as_authorised")
        if attempt.capture_reference:
            open_capture(attempt)
    if gap is not None:
        adopt(attempt, gap.kind, gap.minor, reason=FOUND)


def _release(attempt: Attempt, sums: Sums) -> Verdict:
    """End the attempt as one that holds nothing. Return the verdict for the payment with its attempts."""
    if attempt.state == AttemptState.CONFLICTED:
        _move(attempt, "reviewed_as_refused")
    elif attempt.state == AttemptState.AUTHORISED and not sums.total(Kind.VOID, *ALL_BUT_REFUSED):
        adopt(attempt, Kind.VOID, attempt.payment.amount_minor, reason=FOUND)
    if others_of(attempt, AttemptState.CONFLICTED, *OPEN_ATTEMPTS) or is_contradicted_beside(attempt):
        why = "Nothing is held for this attempt, but another one is not settled either."
        return Verdict(Conclusion.CONTRADICTION, "K2", why=why)
    if holders_beside(attempt):
        return Verdict(Conclusion.CONFIRMED, "K2")
    if _has_purchase_beside(attempt):
        why = (
            "Nothing is held any more, and the purchase of another attempt has perhaps confirmed the order. "
            "Settle the contradiction yourself: then the order is called off."
        )
        return Verdict(Conclusion.CONTRADICTION, "K2", why=why)
    return Verdict(Conclusion.REFUSED, "K1")


def _has_purchase_beside(attempt: Attempt) -> bool:
    """Return True if another attempt's purchase is not undone. The review signals only its own purchase."""
    others = attempt.payment.sagas.filter(kind=Purchase.kind).exclude(attempt=attempt)
    undone = Q(step__in=(At.RELEASE_STOCK, At.CANCEL_ORDER)) | Q(status=Saga.Status.COMPENSATED)
    return others.exclude(undone).exists()


def _move(attempt: Attempt, event: str) -> None:
    move_attempt(attempt.payment, attempt, event, Actor.PROVIDER)
