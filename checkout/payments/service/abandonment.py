"""Cancel an attempt at the provider when its challenge is given up, so that it never holds any money."""

from functools import partial

from django.db import transaction

from checkout.payments.messages import AbandonPayment, ProviderAnswered
from checkout.payments.models import Attempt
from checkout.payments.providers.base import Modification, Outcome, ProviderResult, Verb
from checkout.payments.service.asking import ask
from checkout.payments.service.attempt_outcome import answer_of
from checkout.payments.service.conclusion import conclude, record_fact
from checkout.payments.service.intent import (
    Intent,
    commit_intent,
    locked_attempt,
    may_be_completed,
    record_outcome,
    refuse_repetition,
    stored_outcome,
)
from checkout.payments.service.send_window import SendWindow
from checkout.payments.service.service import service
from checkout.states import AttemptState
from messaging.worker.service import Message


@service.handles(AbandonPayment, transactional=False)
def abandon(command: AbandonPayment, message: Message) -> None:
    """Cancel an attempt that waits for its challenge, or whose challenge ended with an unknown outcome.

    The answer is ``refused`` when nothing is held: the order was cancelled, or the provider knows no such
    order (Worldpay says so while a shopper is in the challenge). Cancelling is idempotent, so a request with
    an unknown outcome may be sent again with the same key. If the attempt has moved on meanwhile, the answer
    is its outcome.
    """
    window = SendWindow.opened()
    with transaction.atomic(durable=True):
        attempt = locked_attempt(command.attempt)
        refuse_repetition(message)
        intent = _intent_of(attempt)
        is_to_be_sent = _may_be_cancelled(attempt) and (
            commit_intent(attempt, intent) or stored_outcome(intent) == Outcome.UNKNOWN
        )
    result = _send(attempt, intent, window) if is_to_be_sent else None
    conclude(message, attempt, partial(_record, command.attempt, intent, result))


def _may_be_cancelled(attempt: Attempt) -> bool:
    if attempt.state == AttemptState.CHALLENGE_REQUIRED:
        return True
    return attempt.state == AttemptState.UNKNOWN and may_be_completed(attempt)


def _intent_of(attempt: Attempt) -> Intent:
    """Return the intent, with a key of its own for an attempt whose challenge may have been completed.

    Such an attempt may hold money that a cancellation during the challenge did not release.
    """
    name = "abandon" if attempt.state == AttemptState.CHALLENGE_REQUIRED else "abandon_completed"
    return Intent(Verb.VOID, f"{attempt.order_code}:{name}")


def _send(attempt: Attempt, intent: Intent, window: SendWindow) -> ProviderResult:
    request = Modification(
        order_code=attempt.order_code,
        reference=intent.key,
        idempotency_key=intent.key,
        amount=attempt.payment.amount,
        session_state=attempt.session_state,
    )
    return ask(
        attempt.provider_account,
        lambda provider: provider.void(request),
        unreached=Outcome.UNKNOWN,
        window=window,
    )


def _record(order_code: str, intent: Intent, result: ProviderResult | None) -> ProviderAnswered:
    attempt = locked_attempt(order_code)
    if result is None:
        is_asked = _may_be_cancelled(attempt)
        return answer_of(attempt, otherwise=stored_outcome(intent) if is_asked else Outcome.UNKNOWN)
    outcome = _come_to(attempt, result)
    answer = answer_of(attempt, otherwise=outcome, event=result.event)
    record_outcome(intent, outcome, result.event)
    record_fact(attempt, f"abandon_{answer.outcome}", result, answer)
    return answer


def _come_to(attempt: Attempt, result: ProviderResult) -> Outcome:
    """Return ``refused`` if nothing is held, else ``unknown``.

    After a challenge, a refusal to cancel does not show that nothing is held.
    """
    is_open = attempt.state == AttemptState.UNKNOWN and result.outcome == Outcome.REFUSED
    return Outcome.UNKNOWN if is_open or result.outcome == Outcome.UNKNOWN else Outcome.REFUSED
