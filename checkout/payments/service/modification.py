"""Capture, void and refund: the operations on an authorised payment."""

from functools import partial

from checkout.money import Money
from checkout.payments.books.apply import apply
from checkout.payments.books.compare_operations import compare_reply
from checkout.payments.books.money_at_risk import is_of_disputed_money, refuse_refund
from checkout.payments.books.ours import our_operation
from checkout.payments.books.portal import is_perhaps_done_there
from checkout.payments.books.verdicts import Conclusion, Verdict
from checkout.payments.calls import TO_BE_SENT, is_clean
from checkout.payments.messages import (
    CapturePayment,
    ProviderAnswered,
    ProviderOutcome,
    RefundPayment,
    VoidPayment,
)
from checkout.payments.models import Attempt, Operation, ProviderCall
from checkout.payments.providers.base import Modification, Outcome, ProviderResult, Verb
from checkout.payments.service.attempt_outcome import conflict
from checkout.payments.service.facts import answer_fact
from checkout.payments.service.provider_call import CallResult, Intent, Send, provider_call
from checkout.payments.service.service import service
from checkout.payments.totals import operations_under_lock
from checkout.privacy.scrubbing import scrub_text
from checkout.states import OPEN_ATTEMPTS, AttemptState
from messaging.compiled_queries import Compiled
from messaging.worker.service import CommandRejected, Message

State = Operation.State

_OUTCOMES = {
    State.DONE: ProviderOutcome.APPROVED,
    State.PENDING: ProviderOutcome.PENDING,
    State.REFUSED: ProviderOutcome.REFUSED,
    State.REQUESTED: ProviderOutcome.NOT_SENT,
    State.UNKNOWN: ProviderOutcome.UNKNOWN,
}


def answer_of(operation: Operation, *, event: str = "") -> ProviderAnswered:
    """Return the operation's state as the answer to a command about it. ``event`` is the provider's word."""
    outcome = _OUTCOMES[State(operation.state)]
    return ProviderAnswered(outcome=outcome, event=event, refusal_reason=operation.refusal_reason)


@service.handles(CapturePayment, transactional=False, admits_itself=True)
def capture(command: CapturePayment, message: Message) -> None:
    """Take authorised money."""
    amount = Money(command.minor, command.currency)
    _modify(command.attempt, command.operation, Verb.CAPTURE, amount, message)


@service.handles(VoidPayment, transactional=False, admits_itself=True)
def void(command: VoidPayment, message: Message) -> None:
    """Release an authorisation that was not captured."""
    _modify(command.attempt, command.operation, Verb.VOID, None, message)


@service.handles(RefundPayment, transactional=False, admits_itself=True)
def refund(command: RefundPayment, message: Message) -> None:
    """Give captured money back."""
    amount = Money(command.minor, command.currency)
    _modify(command.attempt, command.operation, Verb.REFUND, amount, message)


def _modify(order_code: str, reference: str, verb: Verb, amount: Money | None, message: Message) -> None:
    """Carry out the operation. Its reference is the idempotency key."""

    def intend(attempt: Attempt) -> Intent:
        operation = _operation(attempt, reference, verb, amount)
        return Intent(
            verb=verb,
            key=reference,
            is_due=_is_due(attempt, operation),
            begin=partial(_check_allowed, attempt, verb),
            request=partial(_request, attempt, operation, verb),
        )

    provider_call(message, order_code, intend=intend, conclude=_conclude, recall=_recall)


def _operation(attempt: Attempt, reference: str, verb: Verb, amount: Money | None) -> Operation:
    # All operations of the order are read, because they also show if this one is alone.
    operation = next((each for each in operations_under_lock(attempt) if each.reference == reference), None)
    if operation is None or operation.kind != verb:
        raise CommandRejected("operation_not_found", f"This attempt has no {verb} {reference}.")
    if amount is not None and amount != operation.amount:
        raise CommandRejected("amount_differs", f"{reference} is a {verb} of {operation.amount}.")
    return operation


def _may_leave(operation: Operation) -> bool:
    """Return True if the operation may be sent, also once more. Its attempt must be locked.

    A withdrawn operation is never sent. A parked operation that reserves no money is not sent by a command
    from before it was parked: other operations may have used its money.
    """
    return operation.state in TO_BE_SENT and not (operation.is_withdrawn or operation.is_idle)


def _is_due(attempt: Attempt, operation: Operation) -> bool:
    """Return True if the operation may be sent now.

    A refund of money that is disputed now is refused at once. For a capture or refund that may have been made
    in the provider's portal instead, ``CommandRejected`` is raised. But if a copy of the request may have
    arrived, only the provider's answers, or staff, can tell its outcome, and the result is False.
    """
    if not _may_leave(operation):
        return False
    if operation.kind == Operation.Kind.REFUND and is_of_disputed_money(operation, attempt.payment):
        if is_clean(operation):
            refuse_refund(operation, attempt)
        return False
    if is_perhaps_done_there(operation, attempt):
        if not is_clean(operation):
            return False
        what = f"{operation.kind} of {operation.amount}"
        raise CommandRejected(
            "perhaps_done_in_portal",
            f"the provider has told of a {what} that names none of ours, and this {what} was not sent. Look "
            "it up: if somebody has made it in the provider's portal instead, this one must not be sent.",
        )
    return True


_OPERATION = Compiled(
    lambda attempt, reference: Operation.objects.filter(attempt_id=attempt, reference=reference)
)


def _check_allowed(attempt: Attempt, verb: Verb) -> None:
    if verb == Verb.CAPTURE and attempt.state != AttemptState.AUTHORISED:
        raise CommandRejected("not_authorised", f"An attempt that is {attempt.state} cannot be captured.")
    if attempt.state in OPEN_ATTEMPTS:
        # Nothing is undone before the outcome is known: there may be nothing to undo yet.
        raise CommandRejected("outcome_open", f"An attempt that is {attempt.state} has nothing to {verb}.")


def _request(attempt: Attempt, operation: Operation, verb: Verb) -> Send:
    request = Modification(
        order_code=attempt.order_code,
        reference=operation.reference,
        idempotency_key=operation.reference,
        amount=operation.amount,
        session_state=attempt.session_state,
    )
    if verb == Verb.CAPTURE:
        return lambda provider: provider.capture(request)
    if verb == Verb.VOID:
        return lambda provider: provider.void(request)
    return lambda provider: provider.refund(request)


def _known(attempt: Attempt, intent: Intent) -> Operation:
    operation = _OPERATION.get(attempt.pk, intent.key)
    operation.attempt = attempt
    return operation


def _conclude(attempt: Attempt, intent: Intent, result: ProviderResult) -> CallResult:
    answer = _apply(attempt, _known(attempt, intent), result)
    kind = f"{intent.verb}_{answer.outcome}"
    fact = answer_fact(attempt, kind, result, answer, reference=intent.key)
    return CallResult(answer, fact, result.outcome)


def _recall(attempt: Attempt, intent: Intent) -> ProviderAnswered:
    operation = _known(attempt, intent)
    if _may_leave(operation):
        # Another copy of the command has sent it, or is just sending it.
        apply(attempt.payment, operation, Verdict(Conclusion.OPEN, "C7"))
    return answer_of(operation)


def _apply(attempt: Attempt, operation: Operation, result: ProviderResult) -> ProviderAnswered:
    is_refusal = result.outcome == Outcome.REFUSED
    calls = list(ProviderCall.objects.filter(key=operation.reference)) if is_refusal else []
    ours = our_operation(operation, calls)
    currency = attempt.payment.currency
    verdict = compare_reply(ours, result, order_code=attempt.order_code, currency=currency)
    apply(attempt.payment, operation, verdict)
    if verdict.conclusion == Conclusion.CONTRADICTION:
        return conflict(attempt, result)
    if operation.state == State.REQUESTED:
        return ProviderAnswered(
            outcome=ProviderOutcome(result.outcome), event=result.event, why=_sentence(result)
        )
    return answer_of(operation, event=result.event)


def _sentence(result: ProviderResult) -> str:
    """Return why the operation was not carried out, or not sent, in the provider's words."""
    if result.refusal is not None and result.refusal.description:
        return scrub_text(result.refusal.description)
    return "The provider has no such order." if result.outcome == Outcome.NOT_FOUND else result.event
