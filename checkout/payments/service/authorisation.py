"""Authorise a payment, and complete its challenge: the two messages of a purchase."""

from functools import partial

import structlog

from checkout.conf import conf
from checkout.errors import CardSealRefused, StoredSecretUnreadable
from checkout.payments.calls import authorise_key, completion_key
from checkout.payments.events import move_attempt
from checkout.payments.messages import AuthorisePayment, CompleteAuthentication, ProviderAnswered
from checkout.payments.models import Attempt, SavedCard
from checkout.payments.models.saved_card import shopper_name
from checkout.payments.providers.base import (
    Authorisation,
    Browser,
    ChallengeCompletion,
    Outcome,
    ProviderResult,
    RefusalReason,
    Verb,
)
from checkout.payments.providers.saved_cards import StoredCard
from checkout.payments.sagas.settlement.doubted_refusals import may_hold_money_after_all
from checkout.payments.service.attempt_outcome import answer_of, apply_to_attempt
from checkout.payments.service.facts import answer_fact
from checkout.payments.service.provider_call import (
    CallResult,
    Intent,
    Send,
    not_sent,
    provider_call,
    stored_outcome,
)
from checkout.payments.service.service import service
from checkout.privacy.card_seal import open_card
from checkout.states import Actor, AttemptState, PaymentState, attempt_machine
from messaging.worker.service import Message

log = structlog.get_logger(__name__)

# The browser data for the charge of a card without the shopper: there is no browser.
NO_BROWSER = Browser(accept_header="", user_agent="", ip_address="")


@service.handles(AuthorisePayment, transactional=False, admits_itself=True)
def authorise(command: AuthorisePayment, message: Message) -> None:
    """Send the first message, with the card as the shopper's browser has encrypted it.

    Nothing is sent without a card. Cards are never stored, so a copy of this command from a database has
    none. Nothing is sent if web has not sealed the card for this attempt, or if the seal has expired. A saved
    card is charged by its token instead, if it has not been removed meanwhile.
    """
    sealed = message.take_sealed()

    def intend(attempt: Attempt) -> Intent:
        key = authorise_key(attempt)
        return Intent(
            verb=Verb.AUTHORISE,
            key=key,
            is_due=attempt.state == AttemptState.CREATED,
            begin=partial(_submit, attempt),
            request=partial(_authorisation, attempt, key, sealed),
        )

    provider_call(message, command.attempt, intend=intend, conclude=_conclude, recall=_recall)


@service.handles(CompleteAuthentication, transactional=False, admits_itself=True)
def complete_challenge(command: CompleteAuthentication, message: Message) -> None:
    """Send the second message after the shopper's return. The provider knows the result from the ACS."""

    def intend(attempt: Attempt) -> Intent:
        key = completion_key(attempt)
        return Intent(
            verb=Verb.COMPLETE_CHALLENGE,
            key=key,
            is_due=attempt.state == AttemptState.CHALLENGE_RETURNED,
            request=partial(_completion, attempt, key),
        )

    provider_call(message, command.attempt, intend=intend, conclude=_conclude, recall=_recall)


def _submit(attempt: Attempt) -> None:
    move_attempt(attempt.payment, attempt, "submitted", Actor.SAGA)
    if attempt.saved_card_id is not None:
        # Read again under lock, because the attempt was read with its card before its own lock was granted.
        # Once a removal was confirmed, no charge begins.
        cards = SavedCard.objects.select_for_update(no_key=True)
        attempt.saved_card = cards.get(pk=attempt.saved_card_id)


def _authorisation(attempt: Attempt, key: str, sealed: str) -> Send | ProviderResult:
    if stopped := _stopped(attempt):
        return stopped
    encrypted_card, stored_card = "", None
    try:
        if attempt.saved_card is not None:
            stored_card = _opened(attempt, attempt.saved_card)
        elif sealed:
            encrypted_card = open_card(sealed, attempt.order_code)
    except CardSealRefused as error:
        log.warning("card refused", attempt=attempt.order_code, reason=error.code)
        return not_sent(RefusalReason.CARD_NOT_RECEIVED, code=error.code, description=str(error))
    except StoredSecretUnreadable as error:
        log.error("saved card cannot be opened", attempt=attempt.order_code, card=str(attempt.saved_card))
        return not_sent(RefusalReason.PROVIDER_ERROR, code=error.code, description=str(error))
    if not encrypted_card and stored_card is None:
        code = "saved_card_removed" if attempt.saved_card is not None else ""
        return not_sent(RefusalReason.CARD_NOT_RECEIVED, code=code)
    payment = attempt.payment
    saves_for = shopper_name(payment.merchant, payment.customer_reference) if attempt.saves_card else ""
    request = Authorisation(
        order_code=attempt.order_code,
        session_id=attempt.session_id,
        idempotency_key=key,
        amount=payment.amount,
        description=payment.description,
        shopper_email=payment.shopper_email,
        browser=Browser(**attempt.browser) if attempt.browser else NO_BROWSER,
        sealed_card=encrypted_card,
        device_data_reference=attempt.device_data_reference,
        challenge_window=conf.challenge_window,
        captures=bool(attempt.capture_reference),
        language=attempt.language or payment.locale,
        demands_challenge=attempt.demands_challenge,
        saves_for=saves_for,
        stored_card=stored_card,
    )
    return lambda provider: provider.authorise(request)


def _opened(attempt: Attempt, card: SavedCard) -> StoredCard | None:
    """Return a saved card for its charge; None if it was removed. Raises ``StoredSecretUnreadable``."""
    is_active = card.state == SavedCard.State.ACTIVE
    return card.opened(attempt.merchant_initiated) if is_active else None


def _stopped(attempt: Attempt) -> ProviderResult | None:
    """Return a refusal if it became known during this attempt that an earlier one may hold money."""
    if attempt.payment.state == PaymentState.CONFLICTED:
        return not_sent(RefusalReason.PROVIDER_ERROR, code="payment_conflicted")
    if attempt.number > 1 and may_hold_money_after_all(attempt.payment):
        return not_sent(RefusalReason.PROVIDER_ERROR, code="earlier_in_doubt")
    return None


def _completion(attempt: Attempt, key: str) -> Send | ProviderResult:
    if stopped := _stopped(attempt):
        return stopped
    request = ChallengeCompletion(
        order_code=attempt.order_code,
        session_id=attempt.session_id,
        idempotency_key=key,
        session_state=attempt.session_state,
    )
    return lambda provider: provider.complete_challenge(request)


def _conclude(attempt: Attempt, intent: Intent, result: ProviderResult) -> CallResult:
    answer = apply_to_attempt(attempt, result)
    return CallResult(answer, answer_fact(attempt, f"{intent.verb}_{answer.outcome}", result, answer))


def _recall(attempt: Attempt, intent: Intent) -> ProviderAnswered:
    """Answer a command whose provider call was made before, or is being made just now."""
    if attempt.state == AttemptState.CHALLENGE_REQUIRED:
        return answer_of(attempt, otherwise=Outcome.CHALLENGE_REQUIRED)
    outcome = stored_outcome(intent)
    if attempt.state == AttemptState.CREATED:
        # ``actions/staff/restored.py`` has written the intent, after a restore of the database.
        move_attempt(attempt.payment, attempt, "submitted", Actor.SAGA)
    if outcome == Outcome.UNKNOWN and attempt_machine.allows(attempt.state, "outcome_unknown", Actor.SAGA):
        move_attempt(attempt.payment, attempt, "outcome_unknown", Actor.SAGA)
    return answer_of(attempt, otherwise=outcome)
