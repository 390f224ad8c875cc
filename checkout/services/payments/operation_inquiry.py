"""Ask the provider what became of a capture, void or refund.

An inquiry tells the order's last event and no operation's reference (of two partial refunds it cannot say
which: alphagov/pay-connector, adr-001). So an operation is done when all of its kind are, by the provider's
sums, or, where it tells no sums, when no other operation could explain the event.

A refund of which a notification says that it failed is asked about even when it is done, and stays what it
was until the provider's answer confirms or denies that.
"""

from functools import partial

from django.db.models import Sum
from django.utils import timezone

from checkout.commands import InquireOperation, ProviderAnswered
from checkout.conf import conf
from checkout.messaging.service import CommandRejected, Message
from checkout.models import Operation, ProviderCall
from checkout.providers.base import EventKind, Outcome, ProviderResult, RefusalReason
from checkout.services.payments.asking import inquire_about
from checkout.services.payments.attempt_outcome import conflict, is_for_another_payment
from checkout.services.payments.conclusion import conclude, record_fact
from checkout.services.payments.intent import NOT_SHOWN, UnderWay, locked_attempt, under_way
from checkout.services.payments.known import Entry, Known, booked, known_of
from checkout.services.payments.operation_outcome import answer_of, move, take_back
from checkout.services.payments.service import service

Kind, State = Operation.Kind, Operation.State
OPEN = (State.PENDING, State.UNKNOWN)

# After these nothing is held, so nothing can be captured any more, and there is nothing left to release.
RELEASED = (EventKind.CANCELLED, EventKind.EXPIRED, EventKind.REFUSED)
TAKEN = (EventKind.CAPTURED, EventKind.SETTLED)
# The last event after one of its kind was booked. A refund follows captures, which its event does not deny.
BOOKED = {Kind.CAPTURE: (*TAKEN, EventKind.REFUNDED), Kind.REFUND: (EventKind.REFUNDED,)}
# An event that an operation would have changed if it had arrived.
CERTAIN = (EventKind.AUTHORISED, *TAKEN, EventKind.REFUNDED, EventKind.REFUND_FAILED)


@service.command("payments.inquire_operation", transactional=False)
def inquire_operation(command: InquireOperation, message: Message) -> None:
    """Answer with what we know by now, else with what the provider says. Asking changes nothing there."""
    operation = (
        Operation.objects.select_related("attempt__payment", "attempt__provider_account")
        .filter(reference=command.operation, attempt__order_code=command.attempt)
        .first()
    )
    if operation is None:
        raise CommandRejected("operation_not_found", f"This attempt has no operation {command.operation}.")
    attempt = operation.attempt
    before, known = under_way(attempt, operation.reference), known_of(attempt, operation.kind)
    result = inquire_about(attempt) if _is_open(known.of(operation.reference)) else None
    conclude(message, attempt, partial(_record, attempt.order_code, before, known, result))


def _is_open(mine: Entry | None) -> bool:
    return mine is not None and (mine.state in OPEN or (mine.state == State.DONE and mine.is_in_doubt))


def _record(
    order_code: str, before: UnderWay, known: Known, result: ProviderResult | None
) -> ProviderAnswered:
    attempt = locked_attempt(order_code)
    operation = attempt.operations.get(reference=before.key)
    now = known_of(attempt, operation.kind)
    mine = now.of(operation.reference)
    if result is None or mine is None or not _is_open(mine):
        return answer_of(operation)
    if is_for_another_payment(attempt, result):
        answer = conflict(attempt, result)
    elif not mine.is_in_doubt:
        answer = _answer(operation, mine, _state_told(operation, result), before, result)
    else:
        is_only_one = attempt.operations.filter(kind=operation.kind).count() == 1
        state = _state_beyond_doubt(mine, now, result, is_only_one=is_only_one) if now == known else None
        if state == State.REFUSED:
            take_back(operation)
        answer = _answer(operation, mine, state, before, result)
    record_fact(attempt, f"inquire_{operation.kind}_{answer.outcome}", result, answer, reference=before.key)
    return answer


def _answer(
    operation: Operation, mine: Entry, state: str | None, before: UnderWay, result: ProviderResult
) -> ProviderAnswered:
    """Move the operation to where the provider's answer puts it, if it does, and say where it stands.

    Whoever says that it failed has seen it: while in doubt it is not sent again, nor called done.
    """
    if state is not None:
        move(operation, state, reason=RefusalReason.INVALID_REQUEST)
    elif mine.is_in_doubt and operation.state == State.DONE:
        return ProviderAnswered(outcome=Outcome.UNKNOWN, event=result.event)
    elif not mine.is_in_doubt and _is_overdue(operation, before, result):
        ProviderCall.objects.filter(key=operation.reference).update(outcome=NOT_SHOWN)
        return ProviderAnswered(outcome=NOT_SHOWN, event=result.event)
    return answer_of(operation, event=result.event)


def _is_overdue(operation: Operation, before: UnderWay, result: ProviderResult) -> bool:
    """Whether the provider's answer would show the operation, had its request ever arrived."""
    is_unknown = operation.state == State.UNKNOWN and result.kind in CERTAIN
    return is_unknown and before.is_over(operation.attempt)


def _state_beyond_doubt(
    mine: Entry, known: Known, result: ProviderResult, *, is_only_one: bool
) -> str | None:
    """Return what the provider's answer says of a refund that is said to have failed; None while it is open.

    A sum that is more than all others can be is not without it. One that is what the others come to, and
    less than what is certain with it, is not with it: it has come back, or, if it was never seen done, has
    failed as soon as it would be booked. Any other sum may have another reason, of which we may hear yet.
    A last event that is a failure may be another's, unless there is no other.
    """
    others = known.without(mine.reference)
    with_it = others.least + mine.minor
    is_done = mine.state == State.DONE
    refunded = booked(result, Kind.REFUND)
    if refunded is None:
        if is_only_one and result.kind == EventKind.REFUND_FAILED:
            return State.REFUSED
        return State.DONE if result.kind == EventKind.REFUNDED and not others.entries else None
    if refunded > others.most and refunded >= with_it:
        return State.DONE if is_done or result.kind in BOOKED[Kind.REFUND] else None
    is_explained = others.least <= refunded <= others.most
    is_missing = is_explained and (others.least == others.most or refunded < mine.minor)
    is_the_last_word = is_only_one and result.kind == EventKind.REFUND_FAILED
    return State.REFUSED if is_missing and (is_done or is_the_last_word or _would_be_booked(mine)) else None


def _would_be_booked(mine: Entry) -> bool:
    return mine.doubt is not None and mine.doubt.told_at < timezone.now() - conf.settling_time


def _state_told(operation: Operation, result: ProviderResult) -> str | None:
    state = _state_shown(operation, result)
    call = ProviderCall.objects.filter(key=operation.reference)
    if state is None and result.kind in CERTAIN and call.filter(outcome=Outcome.REFUSED).exists():
        return State.REFUSED
    return state


def _state_shown(operation: Operation, result: ProviderResult) -> str | None:
    """Return what the provider's answer says of the operation; None when it says nothing."""
    event = result.kind
    if operation.kind == Kind.VOID:
        if event in RELEASED:
            return State.DONE
        return State.REFUSED if event in TAKEN else None
    made = operation.attempt.operations.filter(kind=operation.kind).exclude(state=State.REFUSED)
    is_only_one = made.count() == 1
    if operation.kind == Kind.CAPTURE and event in RELEASED:
        # Unless it is the rest of an authorisation that was released, after a capture of a part.
        is_whole = operation.amount == operation.payment.amount
        return State.REFUSED if is_only_one and is_whole else None
    if operation.kind == Kind.REFUND and event == EventKind.REFUND_FAILED:
        # An earlier one that failed is as good an explanation.
        is_only_one = operation.attempt.operations.filter(kind=Kind.REFUND).count() == 1
        return State.REFUSED if is_only_one else None
    if event not in BOOKED[Kind(operation.kind)]:
        return None
    theirs = booked(result, operation.kind)
    ours = made.aggregate(minor=Sum("amount_minor"))["minor"]
    is_shown = is_only_one if theirs is None else theirs == ours
    return State.DONE if is_shown else None
