"""Ask the provider to confirm or deny a notification that none of our operations explains."""

from datetime import datetime
from functools import partial

from checkout.conf import conf
from checkout.money import Money
from checkout.payments.books.apply import adopt, key_of_claim, make_after_all, note_release
from checkout.payments.books.compare_events import (
    NAMES,
    Event,
    compare_dispute,
    compare_event,
    refund_made_after_all,
)
from checkout.payments.books.events import kind_by_issuer
from checkout.payments.books.money_at_risk import count_claims, questions_about
from checkout.payments.books.ours import Ours, may_order_exist, ours_of
from checkout.payments.books.theirs import Answer
from checkout.payments.books.verdicts import Conclusion, Verdict
from checkout.payments.calls import CallsInFlight, under_way
from checkout.payments.messages import CheckClaim, ClaimChecked, ClaimOutcome
from checkout.payments.models import Attempt
from checkout.payments.providers.base import EventKind, ProviderResult
from checkout.payments.service.attempt_outcome import conflict
from checkout.payments.service.attempts import attempt_of
from checkout.payments.service.facts import fact_of
from checkout.payments.service.provider_call import CallResult, provider_inquiry
from checkout.payments.service.service import service
from checkout.privacy.scrubbing import scrub_text
from messaging.outbox.clock import server_time_now
from messaging.worker.service import Message

_OUTCOMES = {
    Conclusion.CONFIRMED: ClaimOutcome.CONFIRMED,
    Conclusion.DENIED: ClaimOutcome.DENIED,
    Conclusion.ADOPTED: ClaimOutcome.BOOKED,
    Conclusion.UNCLEAR: ClaimOutcome.UNCLEAR,
    Conclusion.UNDECIDED: ClaimOutcome.UNDECIDED,
    Conclusion.OPEN: ClaimOutcome.UNKNOWN,
}


@service.handles(CheckClaim, transactional=False)
def check_claim(command: CheckClaim, message: Message) -> None:
    """Answer ``confirmed`` if the provider confirms the claim and still none of our operations explains it.

    A charge-back or a reversal that the provider confirms is booked at once, and answered with ``booked``.
    """
    attempt = attempt_of(command.attempt)
    before, requests = ours_of(attempt), under_way(attempt)
    conclude = partial(_conclude, command, before, requests, server_time_now())
    provider_inquiry(message, attempt, conclude)


def _conclude(
    command: CheckClaim,
    before: Ours,
    requests: CallsInFlight,
    asked_at: datetime,
    attempt: Attempt,
    result: ProviderResult,
) -> CallResult:
    ours, event = ours_of(attempt), _event(command)
    answer = Answer(result=result, asked_at=asked_at, lag=conf.order_lag)
    note_release(attempt, ours, result.kind)
    more: dict[str, str] = {}
    if kind_by_issuer(command.claim) is None:
        verdict = compare_event(ours, before, event, answer, may_exist=may_order_exist(requests, attempt))
        _apply(attempt, ours, event, verdict, result)
    elif _is_booked(attempt, command):
        verdict = Verdict(Conclusion.ADOPTED, "D4")
    else:
        verdict = compare_dispute(ours, before, event, answer)
        more = _adopt(attempt, command, verdict)
    outcome = _OUTCOMES[verdict.conclusion]
    data = {"claim": command.claim, "outcome": outcome, "event": result.event, "why": verdict.why, **more}
    fact = fact_of(attempt, f"claim_{outcome}", data, result)
    return CallResult(ClaimChecked(outcome=outcome, event=result.event, why=scrub_text(verdict.why)), fact)


def _event(command: CheckClaim) -> Event:
    is_told = command.minor is not None and command.currency
    return Event(
        kind=command.claim,
        operation=command.operation,
        amount=Money(command.minor or 0, command.currency) if is_told else None,
        is_proven=command.is_proven,
    )


def _apply(attempt: Attempt, ours: Ours, event: Event, verdict: Verdict, result: ProviderResult) -> None:
    if verdict.conclusion == Conclusion.CONFIRMED and event.kind == EventKind.AUTHORISED:
        conflict(attempt, result)
    refund = refund_made_after_all(ours, event) if verdict.conclusion == Conclusion.ADOPTED else None
    if refund is not None:
        make_after_all(attempt.payment, attempt.operations.get(reference=refund.reference))


def _key(command: CheckClaim) -> str:
    return key_of_claim(command.claim, command.event_id, is_proven=command.is_proven)


def _is_booked(attempt: Attempt, command: CheckClaim) -> bool:
    key = _key(command)
    return bool(key) and attempt.payment.operations.filter(idempotency_key=key).exists()


def _adopt(attempt: Attempt, command: CheckClaim, verdict: Verdict) -> dict[str, str]:
    """Book a dispute that the provider has confirmed. Return the fields for the fact about it."""
    if verdict.conclusion != Conclusion.ADOPTED:
        return {}
    kind = str(kind_by_issuer(command.claim))
    reason = f"The provider was asked, and confirmed {NAMES[kind]}"
    operation = adopt(attempt, kind, verdict.minor, reason=reason, idempotency_key=_key(command))
    asked = questions_about(command.claim, attempt.payment, attempt=attempt, data__event_id=command.event_id)
    # The events of the booking report how much is left to refund.
    count_claims(attempt.payment, settled=[saga.pk for saga in asked])
    return {"amount": str(operation.amount), "reference": operation.reference}
