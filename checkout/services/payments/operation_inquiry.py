"""Ask the provider what became of a capture, void or refund.

An inquiry tells the order's last event and no operation's reference (of two partial refunds it cannot say
which: alphagov/pay-connector, adr-001). So an operation is done when all of its kind are, by the provider's
sums, or, where it tells no sums, when no other operation could explain the event.
"""

from functools import partial

from django.db.models import Sum

from checkout.commands import InquireOperation, ProviderAnswered
from checkout.messaging.service import CommandRejected, Message
from checkout.models import Attempt, Operation, ProviderCall
from checkout.money import Money
from checkout.providers.base import EventKind, Outcome, ProviderResult, RefusalReason
from checkout.services.payments.asking import inquire_about
from checkout.services.payments.attempt_outcome import conflict, is_for_another_payment
from checkout.services.payments.conclusion import conclude, record_fact
from checkout.services.payments.intent import NOT_SHOWN, UnderWay, locked_attempt, under_way
from checkout.services.payments.operation_outcome import answer_of, move
from checkout.services.payments.service import service

Kind, State = Operation.Kind, Operation.State

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
    before, result = under_way(attempt, operation.reference), None
    if operation.state in (State.PENDING, State.UNKNOWN):
        result = inquire_about(attempt)
    conclude(message, attempt, partial(_record, attempt.order_code, before, result))


def _record(order_code: str, before: UnderWay, result: ProviderResult | None) -> ProviderAnswered:
    attempt = locked_attempt(order_code)
    operation = attempt.operations.get(reference=before.key)
    if result is None or operation.state not in (State.PENDING, State.UNKNOWN):
        return answer_of(operation)
    answer = _judged(attempt, operation, before, result)
    record_fact(attempt, f"inquire_{operation.kind}_{answer.outcome}", result, answer, reference=before.key)
    return answer


def _judged(
    attempt: Attempt, operation: Operation, before: UnderWay, result: ProviderResult
) -> ProviderAnswered:
    if is_for_another_payment(attempt, result):
        return conflict(attempt, result)
    state = _state_shown(operation, result)
    call = ProviderCall.objects.filter(key=operation.reference)
    if state is None and result.kind in CERTAIN and call.filter(outcome=Outcome.REFUSED).exists():
        state = State.REFUSED
    if state is not None:
        move(operation, state, reason=RefusalReason.INVALID_REQUEST)
    elif _is_overdue(attempt, operation, before, result):
        call.update(outcome=NOT_SHOWN)
        return ProviderAnswered(outcome=NOT_SHOWN, event=result.event)
    return answer_of(operation, event=result.event)


def _is_overdue(attempt: Attempt, operation: Operation, before: UnderWay, result: ProviderResult) -> bool:
    """Whether the provider's answer would show the operation, had its request ever arrived."""
    is_unknown = operation.state == State.UNKNOWN and result.kind in CERTAIN
    return is_unknown and before.is_over(attempt)


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
    booked = _booked(operation, result)
    total = made.aggregate(minor=Sum("amount_minor"))["minor"]
    is_shown = is_only_one if booked is None else booked.minor == total
    return State.DONE if is_shown else None


def _booked(operation: Operation, result: ProviderResult) -> Money | None:
    if result.position is None:
        return None
    return result.position.captured if operation.kind == Kind.CAPTURE else result.position.refunded
