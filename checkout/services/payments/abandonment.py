"""Cancel at the provider what nobody will complete, so that it holds no money and never will."""

from functools import partial

from django.db import transaction

from checkout.commands import AbandonPayment, ProviderAnswered
from checkout.messaging.service import Message
from checkout.models import Attempt
from checkout.providers.base import Modification, Outcome, ProviderResult, Verb
from checkout.services.payments.asking import ask
from checkout.services.payments.attempt_outcome import answer_of
from checkout.services.payments.conclusion import conclude, record_fact
from checkout.services.payments.intent import (
    Intent,
    commit_intent,
    locked_attempt,
    record_outcome,
    refuse_repetition,
    stored_outcome,
)
from checkout.services.payments.send_window import SendWindow
from checkout.services.payments.service import service
from checkout.states import AttemptState


@service.command("payments.abandon", transactional=False)
def abandon(command: AbandonPayment, message: Message) -> None:
    """Cancel an attempt that still waits for its challenge.

    The answer is ``refused`` when nothing is held: cancelled, or the provider knows no such order (Worldpay
    says so while a shopper is in the challenge). To cancel twice is to cancel once, so an unknown outcome may
    be tried again, with the same key. An attempt that has gone on meanwhile is answered with where it stands.
    """
    intent = Intent(Verb.VOID, f"{command.attempt}:abandon")
    window = SendWindow.opened()
    with transaction.atomic(durable=True):
        attempt = locked_attempt(command.attempt)
        refuse_repetition(message)
        is_to_be_sent = attempt.state == AttemptState.CHALLENGE_REQUIRED and (
            commit_intent(attempt, intent) or stored_outcome(intent) == Outcome.UNKNOWN
        )
    result = _send(attempt, intent, window) if is_to_be_sent else None
    conclude(message, attempt, partial(_record, command.attempt, intent, result))


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
        is_asked = attempt.state == AttemptState.CHALLENGE_REQUIRED
        return answer_of(attempt, otherwise=stored_outcome(intent) if is_asked else Outcome.UNKNOWN)
    outcome = Outcome.UNKNOWN if result.outcome == Outcome.UNKNOWN else Outcome.REFUSED
    answer = answer_of(attempt, otherwise=outcome, event=result.event)
    record_outcome(intent, outcome, result.event)
    record_fact(attempt, f"abandon_{answer.outcome}", result, answer)
    return answer
