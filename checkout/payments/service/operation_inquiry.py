"""Ask the provider what became of a capture, void or refund.

The answer has the order's last event and, at some providers, its sums. It seldom names an operation: of two
partial refunds it cannot say which one was made (alphagov/pay-connector, adr-001). So an operation is done if

- the answer names it;
- the sums equal those of all operations of its kind; or
- no sums are told, and no other operation explains the event. A refund must then be the only one ever, as a
  failed refund may still be made. A proven notification may tell of another one, which somebody has made in
  the provider's portal.

An operation is sent again only if the answer shows that it never arrived (``absence``), and if nothing can
move twice should it arrive after all. Every other answer leaves it undecided, which in the end is a question
for staff.

If a notification says that a refund failed, the provider is asked even when the refund is done. The refund
keeps its state until the provider's answer confirms or denies the failure.
"""

from datetime import datetime
from functools import partial

from checkout.conf import conf
from checkout.payments.calls import CallsInFlight, may_have_left, moves_once, under_way
from checkout.payments.checkout_messages import ApplyProviderEvent
from checkout.payments.failed_refunds import FAILED, fail_refund
from checkout.payments.messages import InquireOperation, ProviderAnswered, ProviderOutcome
from checkout.payments.models import Attempt, Fact, Operation, ProviderCall
from checkout.payments.models.messages import send_to_checkout
from checkout.payments.models.payment import NOTIFIED
from checkout.payments.providers.base import EventKind, Outcome, ProviderResult, RefusalReason
from checkout.payments.service.attempt_outcome import conflict, is_for_another_payment
from checkout.payments.service.evidence.absence import is_absent
from checkout.payments.service.evidence.booked_operations import (
    BookedOperations,
    Entry,
    booked_operations_of,
    reliable_sum,
)
from checkout.payments.service.facts import answer_fact, has_earlier_copy
from checkout.payments.service.operation_outcome import (
    AFTER_A_CAPTURE,
    KINDS,
    RELEASED,
    answer_of,
    move,
)
from checkout.payments.service.provider_call import (
    Conclusion,
    commit_conclusion,
    provider_inquiry,
)
from checkout.payments.service.service import service
from checkout.payments.totals import WITHOUT_END, operations_of
from checkout.privacy.scrubbing import scrub_text
from messaging.outbox.clock import server_time_now
from messaging.worker.service import CommandRejected, Message

Kind, State = Operation.Kind, Operation.State

# Outcomes that show that the provider knows the order and says what became of it.
ANSWERS = (Outcome.APPROVED, Outcome.REFUSED)
# Last events that fit a booked operation of each kind.
MADE_TOLD = f"{NOTIFIED}{EventKind.REFUNDED}"
BOOKED = {Kind.CAPTURE: AFTER_A_CAPTURE, Kind.REFUND: (EventKind.REFUNDED,)}


@service.handles(InquireOperation, transactional=False)
def inquire_operation(command: InquireOperation, message: Message) -> None:
    """Answer with the operation's outcome if we know it by now, otherwise with the provider's answer.

    An inquiry changes nothing at the provider.
    """
    operation = (
        Operation.objects.select_related("attempt__payment", "attempt__provider_account")
        .filter(reference=command.operation, attempt__order_code=command.attempt)
        .first()
    )
    if operation is None:
        raise CommandRejected("operation_not_found", f"This attempt has no operation {command.operation}.")
    attempt = operation.attempt
    before, known = under_way(attempt, operation.reference), booked_operations_of(attempt, operation.kind)
    if _is_open(known.of(operation.reference)):
        provider_inquiry(message, attempt, partial(_conclude, before, known, server_time_now()))
    else:
        commit_conclusion(message, attempt, partial(_known_state, operation.reference))


def _is_open(mine: Entry | None) -> bool:
    return mine is not None and (mine.state in WITHOUT_END or (mine.state == State.DONE and mine.is_in_doubt))


def _known_state(reference: str, attempt: Attempt) -> Conclusion:
    return Conclusion(answer_of(attempt.operations.get(reference=reference)))


def _conclude(
    before: CallsInFlight,
    known: BookedOperations,
    asked_at: datetime,
    attempt: Attempt,
    result: ProviderResult,
) -> Conclusion:
    operation = attempt.operations.get(reference=before.key)
    now = booked_operations_of(attempt, operation.kind)
    mine = now.of(operation.reference)
    if mine is None or not _is_open(mine):
        return Conclusion(answer_of(operation))
    if is_for_another_payment(attempt, result):
        answer = conflict(attempt, result)
    elif now != known:
        # Our record has changed since the provider was asked, so its answer cannot be compared with it.
        answer = _still_open(operation, result)
    elif mine.is_in_doubt:
        answer = _answer_in_doubt(attempt, operation, mine, now, asked_at, result)
    else:
        answer = _answer(attempt, operation, now.without(operation.reference), before, result)
    kind = f"inquire_{operation.kind}_{answer.outcome}"
    return Conclusion(answer, answer_fact(attempt, kind, result, answer, reference=before.key))


def _answer(
    attempt: Attempt,
    operation: Operation,
    others: BookedOperations,
    before: CallsInFlight,
    result: ProviderResult,
) -> ProviderAnswered:
    """Move the operation to the state that the provider's answer shows, if any, and return its outcome."""
    state = _state_shown(operation, others, result)
    is_over = before.is_over(operation.attempt)
    is_shown_absent = state is None and is_over and is_absent(operation, others, result)
    calls = ProviderCall.objects.filter(key=operation.reference)
    call = calls.first()
    is_refused = call is not None and call.outcome == Outcome.REFUSED
    may_be_refused = is_shown_absent and is_refused and operation.state != State.PENDING
    if may_be_refused and (operation.kind == Kind.VOID or not has_earlier_copy(operation)):
        # The provider refused the only copy, or a void, which it has not carried out either. A copy that it
        # has accepted is not booked yet, and the refusal was that of an earlier one, whose answer came late.
        state = State.REFUSED
    if state is not None:
        has_failed = operation.kind == Kind.REFUND and result.kind == EventKind.REFUND_FAILED
        reason = FAILED if has_failed else RefusalReason.INVALID_REQUEST
        move(attempt.payment, operation, state, reason=reason)
        if operation.kind == Kind.VOID and state == State.REFUSED:
            _tell_of_capture(attempt)
    elif operation.state == State.UNKNOWN and is_over and result.outcome in ANSWERS:
        # A copy that was refused would be refused again. An earlier one may still be carried out.
        if not is_shown_absent or is_refused or call is None or not moves_once(call):
            return ProviderAnswered(outcome=ProviderOutcome.UNDECIDED, event=result.event)
        may_have_left(calls, ProviderOutcome.NOT_SHOWN)
        return ProviderAnswered(outcome=ProviderOutcome.NOT_SHOWN, event=result.event)
    return answer_of(operation, event=result.event)


def _tell_of_capture(attempt: Attempt) -> None:
    """Have a capture looked into that has a void refused, unless it is ours.

    A void is only requested while none of ours has arrived, so somebody has made it in the provider's portal.
    """
    event = ApplyProviderEvent(
        payment=attempt.payment.reference, attempt=attempt.order_code, kind=EventKind.CAPTURED
    )
    send_to_checkout(event, attempt.payment.reference)


def _answer_in_doubt(
    attempt: Attempt,
    operation: Operation,
    mine: Entry,
    known: BookedOperations,
    asked_at: datetime,
    result: ProviderResult,
) -> ProviderAnswered:
    """Apply the answer to a refund that is said to have failed.

    Such a refund is not sent again, and is not answered as approved while that is in doubt. Queries are
    answered from copies of the provider's books, so an answer that contradicts what has become known only a
    moment ago may be from before that.
    """
    state = _state_beyond_doubt(operation, mine, known, result)
    contradicted = _contradicted(operation, mine, state)
    if state is None or (contradicted is not None and asked_at - conf.order_lag < contradicted):
        return _still_open(operation, result)
    if state == State.REFUSED:
        fail_refund(attempt.payment, operation)
    else:
        move(attempt.payment, operation, state)
    return answer_of(operation, event=result.event)


def _contradicted(operation: Operation, mine: Entry, state: str | None) -> datetime | None:
    """Return the time of what this state of a refund in doubt contradicts, if it contradicts anything.

    If it was made, that is the notification of its failure. If it has failed, it is the refund's end, or a
    later notification that a refund was made, perhaps this one after all. Such a one may name no reference.
    """
    if state == State.DONE and mine.doubt is not None:
        return Fact.objects.get(pk=mine.doubt).recorded_at
    if operation.state != State.DONE:
        return None
    told = Fact.objects.filter(attempt_id=operation.attempt_id, kind=MADE_TOLD).order_by("-pk").first()
    return max(operation.updated_at, told.recorded_at) if told else operation.updated_at


def _still_open(operation: Operation, result: ProviderResult) -> ProviderAnswered:
    if operation.state == State.DONE:
        return ProviderAnswered(outcome=ProviderOutcome.UNKNOWN, event=result.event)
    return answer_of(operation, event=result.event)


def _state_beyond_doubt(
    operation: Operation, mine: Entry, known: BookedOperations, result: ProviderResult
) -> str | None:
    """Return the state that the answer shows for a refund that is said to have failed; None if it shows none.

    - If the provider's sum exceeds what the other refunds can explain, even if those that failed were made
      after all, it includes this one, unless it exceeds all of them together: then it has another reason.
    - If the others explain the sum, and it has no room for this one, a refund that was done has come back.
      After REFUND_SENT that is not certain, as a refund is on its way whose sum is still to come. A refund
      that was not done has failed only if the last event is a failure that can be no other refund's:
      otherwise it may still be booked, days later.
    - Any other sum may have another reason, which may become known later.
    - Without sums, a last event that is a failure may be about another refund, unless there is no other.
    """
    others = known.without(mine.reference)
    with_it = others.least + mine.minor
    is_done = mine.state == State.DONE
    is_only_one = _is_only_one_ever(operation) and not _is_another_told(operation)
    refunded = reliable_sum(operation.attempt, result, Kind.REFUND)
    if refunded is None:
        if is_only_one and result.kind == EventKind.REFUND_FAILED:
            return State.REFUSED
        return State.DONE if is_only_one and result.kind == EventKind.REFUNDED else None
    if others.most_after_all < refunded <= others.most_after_all + mine.minor and refunded >= with_it:
        return State.DONE if is_done or result.kind in BOOKED[Kind.REFUND] else None
    is_explained = others.least <= refunded <= others.most
    is_missing = is_explained and (others.least == others.most or refunded < mine.minor)
    if is_done:
        is_the_end = result.kind != EventKind.REFUND_SENT
    else:
        is_the_end = result.kind == EventKind.REFUND_FAILED and others.least == others.most
    return State.REFUSED if is_missing and is_the_end else None


def _state_shown(operation: Operation, others: BookedOperations, result: ProviderResult) -> str | None:
    """Return the state that the provider's answer shows for the operation; None if it shows none."""
    event = result.kind
    if operation.kind == Kind.VOID:
        if event in RELEASED:
            # If a sum is kept, only the rest was released.
            return None if result.kept is not None else State.DONE
        return State.REFUSED if event in AFTER_A_CAPTURE else None
    if operation.reference in result.references:
        return _state_named(operation, event)
    is_only_capture = not (others.entries or others.failed)
    is_only_one = _is_only_one_ever(operation) if operation.kind == Kind.REFUND else is_only_capture
    is_only_one = is_only_one and not _is_another_told(operation)
    if operation.kind == Kind.CAPTURE and event in RELEASED:
        # After a partial capture, the event may only be about the rest of the authorisation.
        if result.kept is not None:
            kept = reliable_sum(operation.attempt, result, operation.kind)
            return State.DONE if kept == others.most + operation.amount_minor else None
        is_whole = operation.amount == operation.payment.amount
        return State.REFUSED if is_only_one and is_whole else None
    if operation.kind == Kind.CAPTURE and event == EventKind.CAPTURE_FAILED:
        # An earlier one that failed may still be the last event.
        return State.REFUSED if is_only_one and _is_only_one_ever(operation) else None
    if operation.kind == Kind.REFUND and event == EventKind.REFUND_FAILED:
        return State.REFUSED if is_only_one else None
    if operation.kind == Kind.REFUND and event == EventKind.REFUND_SENT:
        return State.PENDING if is_only_one else None
    theirs = reliable_sum(operation.attempt, result, operation.kind)
    if theirs is None:
        return State.DONE if is_only_one and event in BOOKED[Kind(operation.kind)] else None
    # A failed refund that was made after all must not explain the sum as well.
    is_shown = theirs == others.most + operation.amount_minor and theirs > others.most_after_all
    return State.DONE if is_shown and event in BOOKED[Kind(operation.kind)] else None


def _is_only_one_ever(operation: Operation) -> bool:
    """Return True if no other of its kind, not even a refused one, may explain the last event."""
    return operation.attempt.operations.filter(kind=operation.kind).count() == 1


def _is_another_told(operation: Operation) -> bool:
    """Return True if a proven notification tells of one of another amount, which names none of ours.

    Somebody has made it in the provider's portal, so it may explain the last event without this operation.
    """
    events = [event for event, kind in KINDS.items() if kind == operation.kind]
    if operation.kind == Kind.CAPTURE:
        # The account may not have selected CAPTURED.
        events.append(EventKind.SETTLED)
    kinds = [f"{NOTIFIED}{event}" for event in events]
    ours = {scrub_text(each.reference) for each in operations_of(operation.attempt)}
    told = Fact.objects.filter(attempt=operation.attempt, kind__in=kinds).only("data")
    return any(
        "not_applied" not in fact.data
        # Money may be settled in another currency.
        and fact.data.get("amount", "").endswith(operation.currency)
        and fact.data["amount"] != str(operation.amount)
        and fact.data.get("reference", "") not in ours
        for fact in told
    )


def _state_named(operation: Operation, event: EventKind) -> str | None:
    """Return the state that the last event shows for an operation that the answer names by its reference."""
    if event in BOOKED[Kind(operation.kind)]:
        return State.DONE
    if event == EventKind.CAPTURE_FAILED:
        return State.REFUSED
    return State.PENDING if event == EventKind.REFUND_SENT and operation.kind == Kind.REFUND else None
