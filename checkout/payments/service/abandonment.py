"""Cancel an attempt at the provider when its challenge is given up, so that it never holds any money."""

from functools import partial

from checkout.payments.books.ours import has_told_of_money
from checkout.payments.calls import may_be_carried_out_yet, may_be_completed
from checkout.payments.messages import AbandonPayment, ProviderAnswered
from checkout.payments.models import Attempt
from checkout.payments.providers.base import Modification, Outcome, ProviderResult, Verb
from checkout.payments.service.attempt_outcome import answer_of
from checkout.payments.service.facts import answer_fact
from checkout.payments.service.provider_call import CallResult, Intent, Send, provider_call, stored_outcome
from checkout.payments.service.service import service
from checkout.states import AttemptState
from messaging.worker.service import Message


@service.handles(AbandonPayment, transactional=False, admits_itself=True)
def abandon(command: AbandonPayment, message: Message) -> None:
    """Cancel an attempt that waits for its challenge, or whose challenge ended with an unknown outcome.

    The answer is ``refused`` if nothing is held: the order was cancelled, or the provider knows no such order
    (Worldpay says so while a shopper is in the challenge). Cancelling twice is harmless, so a request with an
    unknown outcome may be sent again with the same key. If the attempt has moved on meanwhile, the answer is
    its outcome.
    """
    provider_call(message, command.attempt, intend=_intend, conclude=_conclude, recall=_recall)


def _intend(attempt: Attempt) -> Intent:
    """Return the intent. It has another key if the challenge of the attempt may have been completed.

    Such an attempt may hold money that a cancellation during the challenge did not release.
    """
    name = "abandon" if attempt.state == AttemptState.CHALLENGE_REQUIRED else "abandon_completed"
    key = f"{attempt.order_code}:{name}"
    return Intent(
        verb=Verb.VOID,
        key=key,
        is_due=_may_be_cancelled(attempt),
        is_idempotent=True,
        request=partial(_cancellation, attempt, key),
    )


def _may_be_cancelled(attempt: Attempt) -> bool:
    if attempt.state == AttemptState.CHALLENGE_REQUIRED:
        return True
    return attempt.state == AttemptState.UNKNOWN and may_be_completed(attempt)


def _cancellation(attempt: Attempt, key: str) -> Send:
    request = Modification(
        order_code=attempt.order_code,
        reference=key,
        idempotency_key=key,
        amount=attempt.payment.amount,
        session_state=attempt.session_state,
    )
    return lambda provider: provider.void(request)


def _conclude(attempt: Attempt, _intent: Intent, result: ProviderResult) -> CallResult:
    outcome = _outcome_of_cancellation(attempt, result)
    answer = answer_of(attempt, otherwise=outcome, event=result.event)
    return CallResult(answer, answer_fact(attempt, f"abandon_{answer.outcome}", result, answer), outcome)


def _recall(attempt: Attempt, intent: Intent) -> ProviderAnswered:
    is_asked = _may_be_cancelled(attempt)
    return answer_of(attempt, otherwise=stored_outcome(intent) if is_asked else Outcome.UNKNOWN)


def _outcome_of_cancellation(attempt: Attempt, result: ProviderResult) -> Outcome:
    """Return ``refused`` if the answer shows that nothing is held, else ``unknown``.

    After the second message of a challenge, a refusal to cancel does not show it. "No such order" does not
    show it either, as long as that message may wait at the provider. For an order with an included capture,
    no answer shows it, because captured money cannot be cancelled. An answer that contradicts a notification
    of money does not show it.
    """
    if result.outcome in (Outcome.UNKNOWN, Outcome.NOT_SENT, Outcome.NOT_ABLE):
        return Outcome.UNKNOWN
    if attempt.state == AttemptState.UNKNOWN:
        second_messages = attempt.provider_calls.filter(verb=Verb.COMPLETE_CHALLENGE)
        is_denied_too_early = result.outcome == Outcome.NOT_FOUND and may_be_carried_out_yet(second_messages)
        if result.outcome == Outcome.REFUSED or is_denied_too_early or attempt.capture_reference:
            return Outcome.UNKNOWN
    return Outcome.UNKNOWN if has_told_of_money(attempt) else Outcome.REFUSED
