"""Ask the provider whether a notification is true that says what we know nothing of."""

from functools import partial

from checkout.commands import CheckClaim, ClaimChecked
from checkout.models import Attempt, Fact, Operation
from checkout.models.failed_refunds import failed_refunds, make_after_all, refund_made_after_all
from checkout.models.sums import BY_ISSUER, EXPLANATIONS, Sums, is_explained, sums_of_attempt
from checkout.providers.base import EventKind, Outcome, ProviderResult
from checkout.scrubbing import scrub_text
from checkout.services.payments.asking import inquire_about
from checkout.services.payments.attempt_outcome import conflict
from checkout.services.payments.charge_backs import judge_movement
from checkout.services.payments.conclusion import conclude
from checkout.services.payments.intent import UnderWay, attempt_of, locked_attempt, under_way
from checkout.services.payments.known import Known, known_of, told_sum
from checkout.services.payments.service import service
from checkout.states import Actor, AttemptState
from messaging.worker.service import Message

# The last event of an order for which nothing is held.
HELD_NO_MORE = (EventKind.CANCELLED, EventKind.EXPIRED, EventKind.REFUSED)


@service.command("payments.check_claim", transactional=False)
def check_claim(command: CheckClaim, message: Message) -> None:
    """Answer ``confirmed`` when the provider says so too and no operation of ours explains it by now.

    What an issuer did is ``booked`` at once when the provider confirms it.
    """
    attempt = attempt_of(command.attempt)
    if command.claim in BY_ISSUER:
        sums = sums_of_attempt(attempt)
        result = inquire_about(attempt)
        conclude(message, attempt, partial(_record_movement, command, sums, result))
        return
    before, known = under_way(attempt), known_of(attempt, EXPLANATIONS.get(command.claim, ""))
    result = inquire_about(attempt)
    conclude(message, attempt, partial(_record, command, before, known, result))


def _record(command: CheckClaim, before: UnderWay, known: Known, result: ProviderResult) -> ClaimChecked:
    attempt = locked_attempt(command.attempt)
    outcome = _judged(attempt, command, before, known, result)
    if outcome == "confirmed" and command.claim == EventKind.AUTHORISED:
        conflict(attempt, result)
    if outcome == "confirmed" and (refund := _failed_refund(attempt, command)) is not None:
        outcome = _made_after_all(attempt, refund, result, is_proven=command.is_proven)
    _write_down(attempt, {"claim": command.claim, "outcome": outcome, "event": result.event}, result)
    return ClaimChecked(outcome=outcome, event=result.event)


def _record_movement(command: CheckClaim, before: Sums, result: ProviderResult) -> ClaimChecked:
    attempt = locked_attempt(command.attempt)
    judgement, operation = judge_movement(attempt, command, before, result)
    data = {"claim": command.claim, "outcome": judgement.outcome, "event": result.event, "why": judgement.why}
    if operation is not None:
        data |= {"amount": str(operation.amount), "reference": operation.reference}
    _write_down(attempt, data, result)
    return ClaimChecked(outcome=judgement.outcome, event=result.event, why=scrub_text(judgement.why))


def _failed_refund(attempt: Attempt, command: CheckClaim) -> Operation | None:
    """Return the refund that the claim says was made, and that we have as refused; None for others."""
    is_refund = command.claim == EventKind.REFUNDED
    return refund_made_after_all(attempt, command.operation) if is_refund else None


def _made_after_all(attempt: Attempt, refund: Operation, result: ProviderResult, *, is_proven: bool) -> str:
    """Take a refund that failed as made, if that explains what the provider says.

    The provider's sum must have room for it beside all that is certain. If others have failed, too, any of
    them may be what the sum includes: then the notification must be proven, or all of them were made. Beside
    refunds that are under way or have failed, another sum may become clear.
    """
    others = known_of(attempt, refund.kind)
    other_failed = sum(each.amount_minor for each in failed_refunds(attempt) if each.pk != refund.pk)
    total = told_sum(attempt, result, refund.kind)
    if total is None:
        if others.entries or other_failed or not is_proven:
            return "undecided"
    elif total > others.most + other_failed + refund.amount_minor:
        return "confirmed"
    else:
        is_the_only_explanation = total > others.most + other_failed
        has_room = total >= others.least + refund.amount_minor
        if not (has_room and (is_proven or is_the_only_explanation)):
            return "unknown"
    make_after_all(refund)
    return "booked"


def _write_down(attempt: Attempt, data: dict[str, str], result: ProviderResult) -> None:
    Fact.objects.create(
        payment=attempt.payment,
        attempt=attempt,
        source=Actor.PROVIDER,
        kind=f"claim_{data['outcome']}",
        data={name: scrub_text(value) for name, value in data.items() if value},
        text=scrub_text(result.transcript),
    )


def _judged(
    attempt: Attempt, command: CheckClaim, before: UnderWay, known: Known, result: ProviderResult
) -> str:
    claim = command.claim
    is_missing = result.outcome == Outcome.NOT_SENT
    if result.outcome == Outcome.UNKNOWN or (is_missing and not before.is_over(attempt)):
        return "unknown"
    if claim == EventKind.AUTHORISED:
        is_held = result.outcome == Outcome.APPROVED and result.kind not in HELD_NO_MORE
        return "confirmed" if is_held and attempt.state != AttemptState.AUTHORISED else "denied"
    if is_missing:
        return "unknown"
    kind = EXPLANATIONS.get(claim, "")
    if (total := told_sum(attempt, result, kind)) is not None:
        now = known_of(attempt, kind)
        if now != known:
            return "unknown"
        outcome = _judged_by_sums(command, total, now, result)
        is_open = outcome == "denied" and _may_be_instead_of_another(attempt, command, total)
        return "undecided" if is_open else outcome
    said = EventKind.CAPTURED if result.kind == EventKind.SETTLED else result.kind
    if said != claim:
        return "undecided" if command.is_proven and _may_be_hidden(claim, result.kind) else "denied"
    if is_explained(attempt, claim) or any(each.is_in_doubt for each in known_of(attempt, kind).entries):
        # By another one than it names, perhaps: without sums nobody can say. One in doubt is asked about.
        return "undecided" if command.operation else "denied"
    return "confirmed"


def _may_be_hidden(claim: str, last: EventKind) -> bool:
    """Return True if ``claim`` may be true although ``last`` is the order's last event, and no sums are told.

    Another event may have come after it, such as the settlement. Nothing leads back to AUTHORISED, and
    nothing comes after a cancellation or an expiry. Of a hint nobody need know more.
    """
    return last != EventKind.AUTHORISED and claim not in (EventKind.CANCELLED, EventKind.EXPIRED)


def _may_be_instead_of_another(attempt: Attempt, command: CheckClaim, total: int) -> bool:
    """Return True if the sum may contain a failed refund in place of one that we hold as made.

    That one may have failed meanwhile, and its notification may be on its way for days. So a proven
    notification that names the failed refund is not denied by a sum that has room for it.
    """
    refund = _failed_refund(attempt, command) if command.is_proven and command.operation else None
    return refund is not None and total >= refund.amount_minor


def _judged_by_sums(command: CheckClaim, total: int, now: Known, result: ProviderResult) -> str:
    """Confirm that more was moved than our operations explain; of a failed refund, that less was.

    Sums alone do not say that one failed: what was told to be done may only not be booked yet. If the claim
    names one, we ask until it is booked, or the provider's last event is a failure, or a human looks.
    """
    if command.claim == EventKind.REFUND_FAILED:
        if total >= now.least:
            return "denied"
        if result.kind == command.claim:
            return "confirmed"
        return "unknown" if command.operation else "denied"
    if total > now.most:
        return "confirmed"
    # What it names is none of those that may still be booked.
    return "unknown" if command.operation and total > now.least else "denied"
