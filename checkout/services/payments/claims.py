"""Ask the provider whether a notification is true that says what we know nothing of."""

from functools import partial

from checkout.commands import CheckClaim, ClaimChecked
from checkout.messaging.service import Message
from checkout.models import Attempt, Fact
from checkout.models.sums import is_explained
from checkout.providers.base import EventKind, Outcome, ProviderResult
from checkout.scrubbing import scrub_text
from checkout.services.payments.asking import inquire_about
from checkout.services.payments.attempt_outcome import conflict
from checkout.services.payments.conclusion import conclude
from checkout.services.payments.intent import UnderWay, attempt_of, locked_attempt, under_way
from checkout.services.payments.service import service
from checkout.states import Actor, AttemptState

# The last event of an order for which nothing is held.
HELD_NO_MORE = (EventKind.CANCELLED, EventKind.EXPIRED, EventKind.REFUSED)


@service.command("payments.check_claim", transactional=False)
def check_claim(command: CheckClaim, message: Message) -> None:
    """Answer ``confirmed`` when the provider says so too and no operation of ours explains it by now."""
    attempt = attempt_of(command.attempt)
    before = under_way(attempt)
    result = inquire_about(attempt)
    conclude(message, attempt, partial(_record, command, before, result))


def _record(command: CheckClaim, before: UnderWay, result: ProviderResult) -> ClaimChecked:
    attempt = locked_attempt(command.attempt)
    outcome = _judged(attempt, command.claim, before, result)
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


def _judged(attempt: Attempt, claim: str, before: UnderWay, result: ProviderResult) -> str:
    is_missing = result.outcome == Outcome.NOT_SENT
    if result.outcome == Outcome.UNKNOWN or (is_missing and not before.is_over(attempt)):
        return "unknown"
    if claim == EventKind.AUTHORISED:
        is_held = result.outcome == Outcome.APPROVED and result.kind not in HELD_NO_MORE
        return "confirmed" if is_held and attempt.state != AttemptState.AUTHORISED else "denied"
    if is_missing:
        return "unknown"
    said = EventKind.CAPTURED if result.kind == EventKind.SETTLED else result.kind
    is_confirmed = said == claim and not is_explained(attempt, claim)
    return "confirmed" if is_confirmed else "denied"
