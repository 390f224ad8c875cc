"""Ask the provider whether a notification is true that says what we know nothing of."""

from functools import partial

from checkout.commands import CheckClaim, ClaimChecked
from checkout.messaging.service import Message
from checkout.models import Attempt, Fact
from checkout.models.sums import EXPLANATIONS, is_explained
from checkout.providers.base import EventKind, Outcome, ProviderResult
from checkout.scrubbing import scrub_text
from checkout.services.payments.asking import inquire_about
from checkout.services.payments.attempt_outcome import conflict
from checkout.services.payments.conclusion import conclude
from checkout.services.payments.intent import UnderWay, attempt_of, locked_attempt, under_way
from checkout.services.payments.known import Known, booked, known_of
from checkout.services.payments.service import service
from checkout.states import Actor, AttemptState

# The last event of an order for which nothing is held.
HELD_NO_MORE = (EventKind.CANCELLED, EventKind.EXPIRED, EventKind.REFUSED)


@service.command("payments.check_claim", transactional=False)
def check_claim(command: CheckClaim, message: Message) -> None:
    """Answer ``confirmed`` when the provider says so too and no operation of ours explains it by now."""
    attempt = attempt_of(command.attempt)
    before, known = under_way(attempt), known_of(attempt, EXPLANATIONS.get(command.claim, ""))
    result = inquire_about(attempt)
    conclude(message, attempt, partial(_record, command, before, known, result))


def _record(command: CheckClaim, before: UnderWay, known: Known, result: ProviderResult) -> ClaimChecked:
    attempt = locked_attempt(command.attempt)
    outcome = _judged(attempt, command, before, known, result)
    if outcome == "confirmed" and command.claim == EventKind.AUTHORISED:
        conflict(attempt, result)
    data = {"claim": command.claim, "outcome": outcome, "event": result.event}
    Fact.objects.create(
        payment=attempt.payment,
        attempt=attempt,
        source=Actor.PROVIDER,
        kind=f"claim_{outcome}",
        data={name: scrub_text(value) for name, value in data.items()},
        text=scrub_text(result.transcript),
    )
    return ClaimChecked(outcome=outcome, event=result.event)


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
    if (total := booked(result, kind)) is not None:
        now = known_of(attempt, kind)
        return _judged_by_sums(command, total, now, result) if now == known else "unknown"
    said = EventKind.CAPTURED if result.kind == EventKind.SETTLED else result.kind
    if said != claim:
        return "denied"
    if is_explained(attempt, claim):
        # By another one than it names, perhaps: without sums nobody can say.
        return "unknown" if command.operation else "denied"
    return "confirmed"


def _judged_by_sums(command: CheckClaim, total: int, now: Known, result: ProviderResult) -> str:
    """Whether more was moved than our operations explain; of a failed refund, whether less was.

    Sums alone do not say that one failed: what was told to be done may only not be booked yet.
    """
    if command.claim == EventKind.REFUND_FAILED:
        return "confirmed" if result.kind == command.claim and total < now.least else "denied"
    if total > now.most:
        return "confirmed"
    # What it names is none of those that may still be booked.
    return "unknown" if command.operation and total > now.least else "denied"
