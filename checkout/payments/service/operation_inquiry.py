"""Ask the provider for the outcome of a capture, void or refund.

The answer is compared with our books (``books.compare_operations``). An operation is sent again only if the
answer shows that it never arrived, and if no money can move twice should it arrive after all. The saga counts
the answers that leave the outcome undecided, and at last has staff decide.

If a notification reports that a refund failed, the provider is asked even when the refund is done. The refund
keeps its state until the provider's answer confirms or denies the failure.
"""

from datetime import datetime
from functools import partial

from checkout.conf import conf
from checkout.payments.books.apply import apply, note_release
from checkout.payments.books.compare_authorisations import is_for_another_payment
from checkout.payments.books.compare_operations import compare_answer, may_change
from checkout.payments.books.events import FOLLOW_CAPTURE
from checkout.payments.books.ours import Ours, ours_of
from checkout.payments.books.portal import is_perhaps_done_there
from checkout.payments.books.theirs import Answer
from checkout.payments.books.verdicts import Conclusion, Verdict
from checkout.payments.calls import (
    CallsInFlight,
    may_be_carried_out_yet,
    may_have_left,
    moves_once,
    under_way,
)
from checkout.payments.checkout_messages import ApplyProviderEvent
from checkout.payments.messages import InquireOperation, ProviderAnswered, ProviderOutcome
from checkout.payments.models import Attempt, Operation, ProviderCall
from checkout.payments.models.messages import send_to_checkout
from checkout.payments.providers.base import EventKind, ProviderResult
from checkout.payments.service.attempt_outcome import conflict
from checkout.payments.service.facts import answer_fact
from checkout.payments.service.modification import answer_of
from checkout.payments.service.provider_call import CallResult, commit_conclusion, provider_inquiry
from checkout.payments.service.service import service
from messaging.outbox.clock import server_time_now
from messaging.worker.service import CommandRejected, Message

Kind, State = Operation.Kind, Operation.State


@service.handles(InquireOperation, transactional=False)
def inquire_operation(command: InquireOperation, message: Message) -> None:
    """Answer with the operation's outcome if we know it now, otherwise with the provider's answer.

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
    requests, before = under_way(attempt, operation.reference), ours_of(attempt)
    if may_change(before.operation(operation.reference)):
        asked_at = server_time_now()
        conclude = partial(_conclude, operation.reference, requests, before, asked_at)
        provider_inquiry(message, attempt, conclude)
    else:
        commit_conclusion(message, attempt, partial(_known_state, operation.reference))


def _known_state(reference: str, attempt: Attempt) -> CallResult:
    return CallResult(answer_of(attempt.operations.get(reference=reference)))


def _conclude(
    reference: str,
    requests: CallsInFlight,
    before: Ours,
    asked_at: datetime,
    attempt: Attempt,
    result: ProviderResult,
) -> CallResult:
    operation, ours = attempt.operations.get(reference=reference), ours_of(attempt)
    note_release(attempt, ours, result.kind)
    mine = ours.operation(reference)
    if not may_change(mine):
        return CallResult(answer_of(operation))
    if is_for_another_payment(attempt, result):
        answer = conflict(attempt, result)
    else:
        calls = ProviderCall.objects.filter(key=reference)
        answer_given = Answer(
            result=result,
            asked_at=asked_at,
            must_show=requests.is_over(attempt),
            queue_is_over=mine.is_withdrawn and not may_be_carried_out_yet(calls),
            lag=conf.order_lag,
        )
        verdict = compare_answer(ours, mine, before, answer_given)
        answer = _apply(attempt, operation, verdict, result)
    kind = f"inquire_{operation.kind}_{answer.outcome}"
    return CallResult(answer, answer_fact(attempt, kind, result, answer, reference=reference))


def _apply(
    attempt: Attempt, operation: Operation, verdict: Verdict, result: ProviderResult
) -> ProviderAnswered:
    """Apply the verdict on the provider's answer to the operation, and return the outcome."""
    conclusion, event = verdict.conclusion, result.event
    if conclusion == Conclusion.CONTRADICTION:
        return conflict(attempt, result)
    if conclusion == Conclusion.ABSENT and _let_be_sent_again(operation):
        return ProviderAnswered(outcome=ProviderOutcome.NOT_SHOWN, event=event)
    if conclusion in (Conclusion.ABSENT, Conclusion.UNDECIDED):
        return ProviderAnswered(outcome=ProviderOutcome.UNDECIDED, event=event)
    if conclusion == Conclusion.OPEN and operation.state == State.DONE:
        return ProviderAnswered(outcome=ProviderOutcome.UNKNOWN, event=event)
    if conclusion != Conclusion.OPEN:
        apply(attempt.payment, operation, verdict)
    if operation.kind == Kind.VOID and conclusion == Conclusion.REFUSED and result.kind in FOLLOW_CAPTURE:
        _tell_of_capture(attempt)
    return answer_of(operation, event=event)


def _let_be_sent_again(operation: Operation) -> bool:
    """Let the request be sent again if its money cannot move twice. Return True if it may be sent.

    It may not if a notification shows a movement that may be this one: the answer may be older.
    """
    calls = ProviderCall.objects.filter(key=operation.reference)
    call = calls.first()
    if call is None or not moves_once(call) or is_perhaps_done_there(operation, operation.attempt):
        return False
    may_have_left(calls, ProviderOutcome.NOT_SHOWN)
    return True


def _tell_of_capture(attempt: Attempt) -> None:
    """Have a capture that makes a void fail looked into, because it is not ours.

    A void is only requested while no capture of ours has arrived, so somebody has made this one in the
    provider's portal.
    """
    event = ApplyProviderEvent(
        payment=attempt.payment.reference, attempt=attempt.order_code, kind=EventKind.CAPTURED
    )
    send_to_checkout(event, attempt.payment.reference)
