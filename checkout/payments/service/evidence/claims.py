"""Ask the provider to confirm or deny a notification that none of our operations explains."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import partial

from checkout.money import Money
from checkout.payments.calls import CallsInFlight, under_way
from checkout.payments.failed_refunds import failed_refunds, make_after_all, refund_claimed
from checkout.payments.messages import CheckClaim, ClaimChecked, ClaimOutcome
from checkout.payments.models import Attempt, Operation
from checkout.payments.providers.base import EventKind, Outcome, ProviderResult
from checkout.payments.sagas.portal import EXPLANATIONS, is_explained
from checkout.payments.service.attempt_outcome import conflict
from checkout.payments.service.attempts import attempt_of
from checkout.payments.service.evidence.absence import may_order_exist
from checkout.payments.service.evidence.booked_operations import (
    BookedOperations,
    booked_operations_of,
    reliable_sum,
)
from checkout.payments.service.evidence.charge_backs import judge_movement
from checkout.payments.service.facts import fact_of
from checkout.payments.service.operation_outcome import AFTER_A_CAPTURE, shows_money
from checkout.payments.service.provider_call import Conclusion, provider_inquiry
from checkout.payments.service.service import service
from checkout.payments.totals import (
    ASKED,
    BY_ISSUER,
    FAILURES,
    OPEN,
    Sums,
    sums_of_attempt,
)
from checkout.privacy.scrubbing import scrub_text
from checkout.states import AttemptState
from messaging.outbox.clock import server_time_now
from messaging.worker.service import Message

# The last events that tell of these movements, too: those that can only follow a capture, and the sending of
# a refund.
IMPLIED_BY: Mapping[str, Sequence[EventKind]] = {
    EventKind.CAPTURED: AFTER_A_CAPTURE,
    EventKind.REFUNDED: (EventKind.REFUND_SENT, EventKind.REFUNDED),
    # An authorisation that is refused afterwards, as by a risk service, is held no longer.
    EventKind.CANCELLED: (EventKind.REFUSED,),
}


@service.handles(CheckClaim, transactional=False)
def check_claim(command: CheckClaim, message: Message) -> None:
    """Answer ``confirmed`` if the provider confirms the claim and no operation of ours explains it by now.

    A charge-back or a reversal that the provider confirms is booked at once, and answered with ``booked``.
    """
    attempt = attempt_of(command.attempt)
    if command.claim in BY_ISSUER:
        conclude = partial(_conclude_movement, command, sums_of_attempt(attempt), server_time_now())
    else:
        before, known = under_way(attempt), booked_operations_of(attempt, EXPLANATIONS.get(command.claim, ""))
        conclude = partial(_conclude, command, before, known)
    provider_inquiry(message, attempt, conclude)


def _conclude(
    command: CheckClaim,
    before: CallsInFlight,
    known: BookedOperations,
    attempt: Attempt,
    result: ProviderResult,
) -> Conclusion:
    outcome, why = _judged(attempt, command, before, known, result), ""
    if outcome == ClaimOutcome.UNCLEAR:
        amount = Money(command.minor or 0, command.currency)
        why = (
            f"None of ours is of {amount}, and the provider does not tell its sums. If somebody has done it "
            "in the provider's portal, and our books do not have it yet, it is so."
        )
    if outcome == ClaimOutcome.CONFIRMED and command.claim == EventKind.EXPIRED:
        outcome, why = _judged_expiry(attempt, result)
    if outcome == ClaimOutcome.CONFIRMED and command.claim == EventKind.AUTHORISED:
        conflict(attempt, result)
    if outcome == ClaimOutcome.CONFIRMED and (refund := refund_claimed(attempt, command)) is not None:
        outcome = _made_after_all(attempt, refund, result, is_proven=command.is_proven)
    data = {"claim": command.claim, "outcome": outcome, "event": result.event, "why": why}
    fact = fact_of(attempt, f"claim_{outcome}", data, result)
    return Conclusion(ClaimChecked(outcome=outcome, event=result.event, why=why), fact)


def _judged_expiry(attempt: Attempt, result: ProviderResult) -> tuple[ClaimOutcome, str]:
    """Confirm an expiry unless the provider has taken money and no capture of ours may have arrived.

    Then only the rest has expired, and the payment must not count as one without money. The outcome of a
    capture or void may be the explanation, or may show that there is none: while it is open, ask again, as
    nothing tells of the expiry a second time. Return why as well.
    """
    sums, is_kept = sums_of_attempt(attempt), result.kept is not None and result.kept.minor != 0
    if is_kept and sums.total(Operation.Kind.CAPTURE, *ASKED):
        return ClaimOutcome.CONFIRMED, ""
    if sums.is_being_captured or sums.total(Operation.Kind.VOID, *OPEN):
        return ClaimOutcome.UNKNOWN, ""
    if not is_kept:
        return ClaimOutcome.CONFIRMED, ""
    return ClaimOutcome.UNCLEAR, (
        f"The provider has captured {result.kept}, which is not in our books: only the rest has expired. Say "
        "that it is not so; then settle the payment yourself, with the capture among the figures."
    )


def _conclude_movement(
    command: CheckClaim, before: Sums, asked_at: datetime, attempt: Attempt, result: ProviderResult
) -> Conclusion:
    judgement, operation = judge_movement(attempt, command, before, asked_at, result)
    outcome, event, why = judgement.outcome, result.event, judgement.why
    data = {"claim": command.claim, "outcome": outcome, "event": event, "why": why}
    if operation is not None:
        data |= {"amount": str(operation.amount), "reference": operation.reference}
    fact = fact_of(attempt, f"claim_{outcome}", data, result)
    return Conclusion(ClaimChecked(outcome=outcome, event=event, why=scrub_text(why)), fact)


def _made_after_all(
    attempt: Attempt, refund: Operation, result: ProviderResult, *, is_proven: bool
) -> ClaimOutcome:
    """Mark a failed refund as made, if that explains the provider's answer. Return the outcome.

    The provider's sum must have room for this refund in addition to all that are certain. If other refunds,
    failed or under way, may explain the sum without this one, the notification must also be proven. If the
    answer does not decide, the provider is asked again, as a later answer may be clearer.
    """
    others = booked_operations_of(attempt, refund.kind)
    other_failed = sum(each.amount_minor for each in failed_refunds(attempt) if each.pk != refund.pk)
    total = reliable_sum(attempt, result, refund.kind)
    if total is None:
        if others.entries or other_failed or not is_proven:
            return ClaimOutcome.UNDECIDED
    elif total > others.most + other_failed + refund.amount_minor:
        return ClaimOutcome.CONFIRMED
    else:
        is_the_only_explanation = total > others.most + other_failed
        has_room = total >= others.least + refund.amount_minor
        if not (has_room and (is_proven or is_the_only_explanation)):
            return ClaimOutcome.UNKNOWN
    make_after_all(attempt.payment, refund)
    return ClaimOutcome.BOOKED


def _judged(
    attempt: Attempt,
    command: CheckClaim,
    before: CallsInFlight,
    known: BookedOperations,
    result: ProviderResult,
) -> ClaimOutcome:
    claim = command.claim
    is_missing = result.outcome == Outcome.NOT_SENT
    if result.outcome == Outcome.UNKNOWN or (is_missing and may_order_exist(before, attempt)):
        return ClaimOutcome.UNKNOWN
    if claim == EventKind.AUTHORISED:
        is_news = shows_money(result) and attempt.state != AttemptState.AUTHORISED
        return ClaimOutcome.CONFIRMED if is_news else ClaimOutcome.DENIED
    if is_missing:
        return ClaimOutcome.UNKNOWN
    kind = EXPLANATIONS.get(claim, "")
    if (total := reliable_sum(attempt, result, kind)) is not None:
        now = booked_operations_of(attempt, kind)
        if now != known:
            return ClaimOutcome.UNKNOWN
        outcome = _judged_by_sums(attempt, command, total, now, result)
        if outcome == ClaimOutcome.UNKNOWN and attempt.state == AttemptState.CONFLICTED:
            # Staff cannot settle the contradiction while this is asked about.
            return ClaimOutcome.UNDECIDED
        is_open = outcome == ClaimOutcome.DENIED and _may_be_instead_of_another(attempt, command, total)
        return ClaimOutcome.UNDECIDED if is_open else outcome
    if result.kind != claim and result.kind not in IMPLIED_BY.get(claim, ()):
        is_open = command.is_proven and _may_be_hidden(claim, result.kind)
        return ClaimOutcome.UNDECIDED if is_open else ClaimOutcome.DENIED
    if is_explained(attempt, claim) or any(
        each.is_in_doubt for each in booked_operations_of(attempt, kind).entries
    ):
        # The claim may name another operation than the one that explains it, which only sums could tell. A
        # refund in doubt has an inquiry of its own.
        if _is_of_another_amount(attempt, command):
            return ClaimOutcome.UNCLEAR
        return ClaimOutcome.UNDECIDED if command.operation else ClaimOutcome.DENIED
    if claim == EventKind.CANCELLED and sums_of_attempt(attempt).may_leave_a_rest:
        # Once the capture of a part is done, this was the rest of the authorisation.
        return ClaimOutcome.UNKNOWN
    return ClaimOutcome.CONFIRMED


def _is_of_another_amount(attempt: Attempt, command: CheckClaim) -> bool:
    """Return True for a proven movement that names none of ours, and whose amount none of ours has."""
    is_told = command.is_proven and not command.operation and command.minor is not None
    return is_told and not is_explained(attempt, command.claim, minor=command.minor)


def _may_be_hidden(claim: str, last: EventKind) -> bool:
    """Return True if ``claim`` may be true although ``last`` is the order's last event, and no sums are told.

    A later event, such as the settlement, may have replaced the claimed one. But no event leads back to
    AUTHORISED, and none follows a cancellation or an expiry.
    """
    if claim == EventKind.CAPTURE_FAILED:
        return True
    return last != EventKind.AUTHORISED and claim not in (EventKind.CANCELLED, EventKind.EXPIRED)


def _may_be_instead_of_another(attempt: Attempt, command: CheckClaim, total: int) -> bool:
    """Return True if the provider's sum may include a failed refund in place of one that we have as made.

    The latter may have failed meanwhile, and the notification of that failure may take days. So a proven
    notification that names the failed refund is not denied if the sum has room for that refund.
    """
    refund = refund_claimed(attempt, command) if command.is_proven and command.operation else None
    return refund is not None and total >= refund.amount_minor


def _judged_by_sums(
    attempt: Attempt, command: CheckClaim, total: int, now: BookedOperations, result: ProviderResult
) -> ClaimOutcome:
    """Confirm a claim if more was moved than our operations explain, or less for a failure.

    Sums alone do not show that a capture or refund failed: one that we have as done may not be booked yet. If
    the claim names it, we ask until it is booked, the provider's last event is a failure, or a human looks.
    """
    if command.claim in FAILURES:
        if total >= now.least:
            return ClaimOutcome.DENIED
        if result.kind == command.claim:
            return ClaimOutcome.CONFIRMED
        return ClaimOutcome.UNKNOWN if command.operation else ClaimOutcome.DENIED
    if total > now.most:
        return ClaimOutcome.CONFIRMED
    # The named operation was refused, or none of ours has this amount: the surplus is due to the claimed
    # movement, or to an operation that is open. Ask again until that one has its outcome.
    surplus = total - now.least
    is_none_of_ours = _is_of_another_amount(attempt, command) and surplus >= (command.minor or 0)
    is_possible = is_none_of_ours or (bool(command.operation) and surplus > 0)
    return ClaimOutcome.UNKNOWN if is_possible else ClaimOutcome.DENIED
