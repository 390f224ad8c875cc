"""Ask the provider again about an attempt that contradicts what we know, because staff want to settle it."""

from dataclasses import dataclass
from functools import partial

from django.db.models import Sum

from checkout.commands import AttemptReviewed, ReviewAttempt, StartOperation
from checkout.messaging.outbox import enqueue
from checkout.messaging.service import Message
from checkout.models import Attempt, Fact, Operation, OutboxMessage
from checkout.money import Money
from checkout.providers.base import EventKind, Outcome, ProviderResult
from checkout.scrubbing import scrub_text
from checkout.services.payments.asking import inquire_about
from checkout.services.payments.attempt_outcome import is_for_another_payment
from checkout.services.payments.claims import HELD_NO_MORE
from checkout.services.payments.conclusion import conclude
from checkout.services.payments.intent import UnderWay, attempt_of, locked_attempt, under_way
from checkout.services.payments.modification import OPEN_STATES
from checkout.services.payments.service import service
from checkout.states import Actor, AttemptState

Kind, State = Operation.Kind, Operation.State
OPEN = (State.REQUESTED, State.PENDING, State.UNKNOWN)
ANSWERS = (Outcome.APPROVED, Outcome.REFUSED, Outcome.NOT_SENT)


@dataclass(frozen=True, slots=True)
class Finding:
    """``held`` or ``released`` where we agree with the provider, else ``stands`` or ``unknown``, and why."""

    outcome: str
    why: str = ""


@service.command("payments.review", transactional=False)
def review(command: ReviewAttempt, message: Message) -> None:
    """Answer whether the provider holds money for the payment, if its word and our operations agree by now.

    What the provider did by itself to an authorised attempt is taken into our books: as an operation that is
    done, and is posted like any other. One that was put aside itself is only let go when nothing differs.
    """
    attempt = attempt_of(command.attempt)
    before = under_way(attempt)
    result = inquire_about(attempt)
    conclude(message, attempt, partial(_record, command.attempt, before, result))


def _record(order_code: str, before: UnderWay, result: ProviderResult) -> AttemptReviewed:
    attempt = locked_attempt(order_code)
    finding = _judged(attempt, before, result)
    data = {"why": finding.why, "event": result.event}
    Fact.objects.create(
        payment=attempt.payment,
        attempt=attempt,
        source=Actor.PROVIDER,
        kind=f"review_{finding.outcome}",
        data={name: scrub_text(value) for name, value in data.items() if value},
        text=scrub_text(result.transcript),
    )
    return AttemptReviewed(outcome=finding.outcome)


def _judged(attempt: Attempt, before: UnderWay, result: ProviderResult) -> Finding:
    is_missing = result.outcome == Outcome.NOT_SENT
    if result.outcome not in ANSWERS or (is_missing and not before.is_over(attempt)):
        return Finding("unknown", "The provider did not say what became of it. Ask again later.")
    if is_for_another_payment(attempt, result):
        return Finding("stands", f"The provider still speaks of other money than ours: {result.amount}.")
    if result.outcome == Outcome.APPROVED and result.kind not in HELD_NO_MORE:
        return _held(attempt, result)
    return _released(attempt)


def _held(attempt: Attempt, result: ProviderResult) -> Finding:
    if _others(attempt, AttemptState.AUTHORISED, AttemptState.CONFLICTED, *OPEN_STATES):
        return Finding("stands", "Another attempt holds money, too, is under way, or contradicts us as well.")
    if attempt.state not in (AttemptState.AUTHORISED, AttemptState.CONFLICTED):
        return Finding("stands", f"The provider holds money, and the attempt is {attempt.state}.")
    if _sum(attempt, Kind.VOID, State.DONE):
        return Finding("stands", "The provider still holds what we have as released.")
    if result.position is None and result.kind != EventKind.AUTHORISED:
        return Finding("stands", f"The provider says {result.kind}, and does not tell how much.")
    nothing = Money(0, attempt.payment.currency)
    theirs = {
        Kind.CAPTURE: result.position.captured if result.position else nothing,
        Kind.REFUND: result.position.refunded if result.position else nothing,
    }
    adopted: dict[Operation.Kind, int] = {}
    for kind, amount in theirs.items():
        done, asked = _sum(attempt, kind, State.DONE), _sum(attempt, kind, *OPEN)
        if done <= amount.minor <= done + asked:
            continue
        if amount.minor < done or asked or attempt.state != AttemptState.AUTHORISED:
            ours = Money(done, attempt.payment.currency)
            return Finding("stands", f"The {kind}s at the provider come to {amount}, ours to {ours}.")
        adopted[kind] = amount.minor - done
    if attempt.state == AttemptState.CONFLICTED:
        _move(attempt, "reviewed_as_authorised")
    for kind, minor in adopted.items():
        _adopt(attempt, kind, minor)
    return Finding("held")


def _released(attempt: Attempt) -> Finding:
    if captured := _sum(attempt, Kind.CAPTURE, State.DONE):
        ours = Money(captured, attempt.payment.currency)
        return Finding("stands", f"The provider holds nothing, and we have {ours} captured.")
    if attempt.state == AttemptState.CONFLICTED:
        _move(attempt, "reviewed_as_refused")
    elif attempt.state == AttemptState.AUTHORISED and not _sum(attempt, Kind.VOID, State.DONE, *OPEN):
        _adopt(attempt, Kind.VOID, attempt.payment.amount_minor)
    if _others(attempt, AttemptState.CONFLICTED, *OPEN_STATES):
        return Finding("stands", "Nothing is held for this attempt, but another one is not settled either.")
    return Finding("held" if _others(attempt, AttemptState.AUTHORISED) else "released")


def _others(attempt: Attempt, *states: AttemptState) -> bool:
    return attempt.payment.attempts.exclude(pk=attempt.pk).filter(state__in=states).exists()


def _sum(attempt: Attempt, kind: str, *states: str) -> int:
    found = attempt.operations.filter(kind=kind, state__in=states)
    return int(found.aggregate(minor=Sum("amount_minor", default=0))["minor"])


def _move(attempt: Attempt, event: str) -> None:
    attempt.apply(event, Actor.PROVIDER)
    attempt.save(update_fields=["state", "updated_at"])


def _adopt(attempt: Attempt, kind: str, minor: int) -> None:
    """Write down what the provider did by itself. It is done: its saga only has the books to keep."""
    payment = attempt.payment
    operation = Operation.objects.create(
        payment=payment,
        attempt=attempt,
        kind=kind,
        amount_minor=minor,
        currency=payment.currency,
        state=State.DONE,
        requested_by="provider",
        reason="Found at the provider when staff had it asked",
    )
    body = StartOperation(payment=payment.reference, operation=operation.reference)
    enqueue(
        OutboxMessage,
        "checkout",
        "checkout.start_operation",
        body,
        subject=payment.reference,
        delay_seconds=0,
    )
