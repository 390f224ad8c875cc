"""Authorise a payment, and complete its challenge: the two messages of a purchase."""

from collections.abc import Callable
from functools import partial

import structlog
from django.db import transaction

from checkout.conf import conf
from checkout.errors import CardSealRefused
from checkout.payments.challenge_token import token_for
from checkout.payments.messages import AuthorisePayment, CompleteAuthentication, ProviderAnswered
from checkout.payments.models import Attempt
from checkout.payments.providers.base import (
    Authorisation,
    Browser,
    ChallengeCompletion,
    Outcome,
    ProviderResult,
    RefusalReason,
    Verb,
)
from checkout.payments.service.asking import ask, refused
from checkout.payments.service.attempt_outcome import answer_of, apply_to_attempt
from checkout.payments.service.conclusion import conclude, record_fact
from checkout.payments.service.intent import (
    Intent,
    commit_intent,
    locked_attempt,
    record_outcome,
    refuse_repetition,
    stored_outcome,
)
from checkout.payments.service.send_window import SendWindow
from checkout.payments.service.service import service
from checkout.privacy.card_seal import open_card
from checkout.states import Actor, AttemptState, attempt_machine
from messaging.compiled_queries import update
from messaging.worker.service import Message

log = structlog.get_logger(__name__)


@service.handles(AuthorisePayment, transactional=False)
def authorise(command: AuthorisePayment, message: Message) -> None:
    """Send the first message, with the card as the shopper's browser has encrypted it.

    Nothing is sent without a card. Cards are never stored, so a copy of this command from a database has
    none. Nothing is sent either if web has not sealed the card for this attempt, or if the seal has expired.
    """
    sealed = message.take_sealed()
    _carry_out(
        command.attempt,
        message,
        ready=AttemptState.CREATED,
        intent_of=lambda attempt: Intent(Verb.AUTHORISE, f"{attempt.order_code}:authorise"),
        send=partial(_send_authorisation, sealed),
    )


@service.handles(CompleteAuthentication, transactional=False)
def complete_challenge(command: CompleteAuthentication, message: Message) -> None:
    """Send the second message after the shopper's return. The provider knows the result from the ACS."""
    _carry_out(
        command.attempt,
        message,
        ready=AttemptState.CHALLENGE_RETURNED,
        intent_of=lambda attempt: Intent(
            Verb.COMPLETE_CHALLENGE, f"{attempt.order_code}:challenge:{attempt.challenge_count}"
        ),
        send=_send_completion,
    )


def _carry_out(
    order_code: str,
    message: Message,
    *,
    ready: AttemptState,
    intent_of: Callable[[Attempt], Intent],
    send: Callable[[Attempt, Intent, SendWindow], ProviderResult],
) -> None:
    """Carry out the three steps of a provider call. Send nothing if the attempt's state is not ``ready``."""
    window = SendWindow.opened()
    with transaction.atomic(durable=True):
        attempt = locked_attempt(order_code)
        refuse_repetition(message)
        intent = intent_of(attempt)
        is_to_be_sent = attempt.state == ready and commit_intent(attempt, intent)
        if is_to_be_sent and attempt.state == AttemptState.CREATED:
            attempt.apply("submitted", Actor.SAGA)
            update(attempt, "state")
    result = send(attempt, intent, window) if is_to_be_sent else None
    conclude(message, attempt, partial(_record, order_code, intent, result))


def _record(order_code: str, intent: Intent, result: ProviderResult | None) -> ProviderAnswered:
    attempt = locked_attempt(order_code)
    if result is None:
        return _recall(attempt, intent)
    answer = apply_to_attempt(attempt, result)
    record_outcome(intent, answer.outcome, result.event)
    record_fact(attempt, f"{intent.verb}_{answer.outcome}", result, answer)
    return answer


def _recall(attempt: Attempt, intent: Intent) -> ProviderAnswered:
    """Answer a command whose provider call was made before, or is just being made."""
    if attempt.state == AttemptState.CHALLENGE_REQUIRED:
        return answer_of(attempt, otherwise=Outcome.CHALLENGE_REQUIRED)
    outcome = stored_outcome(intent)
    if outcome == Outcome.UNKNOWN and attempt_machine.allows(attempt.state, "outcome_unknown", Actor.SAGA):
        attempt.apply("outcome_unknown", Actor.SAGA)
        update(attempt, "state")
    return answer_of(attempt, otherwise=outcome)


def _send_authorisation(sealed: str, attempt: Attempt, intent: Intent, window: SendWindow) -> ProviderResult:
    if not sealed:
        return refused(RefusalReason.CARD_NOT_RECEIVED, outcome=Outcome.NOT_SENT)
    try:
        encrypted_card = open_card(sealed, attempt.order_code)
    except CardSealRefused as error:
        log.warning("card refused", attempt=attempt.order_code, reason=error.code)
        return refused(
            RefusalReason.CARD_NOT_RECEIVED,
            outcome=Outcome.NOT_SENT,
            code=error.code,
            description=str(error),
        )
    payment = attempt.payment
    token = token_for(attempt, attempt.challenge_count + 1)
    request = Authorisation(
        order_code=attempt.order_code,
        session_id=attempt.session_id,
        idempotency_key=intent.key,
        amount=payment.amount,
        description=payment.description,
        shopper_email=payment.shopper_email,
        browser=Browser(**attempt.browser),
        return_url=f"{conf.public_url}/checkout/{payment.reference}/challenge/return/{token}/",
        sealed_card=encrypted_card,
        device_data_reference=attempt.device_data_reference,
        challenge_window=conf.challenge_window,
        demands_challenge=attempt.demands_challenge,
    )
    return ask(attempt.provider_account, lambda provider: provider.authorise(request), window=window)


def _send_completion(attempt: Attempt, intent: Intent, window: SendWindow) -> ProviderResult:
    request = ChallengeCompletion(
        order_code=attempt.order_code,
        session_id=attempt.session_id,
        idempotency_key=intent.key,
        session_state=attempt.session_state,
        echo_data=(attempt.challenge or {}).get("echo_data", ""),
    )
    return ask(
        attempt.provider_account,
        lambda provider: provider.complete_challenge(request),
        window=window,
    )
