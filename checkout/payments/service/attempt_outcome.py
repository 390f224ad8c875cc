"""The effects of a provider's answer, or of a notification, on an attempt.

The payment and the attempt must be locked.
"""

import re
from dataclasses import asdict, replace

from django.utils import timezone

from checkout.conf import conf
from checkout.payments.books.compare_authorisations import (
    is_for_another_payment,
    is_held_without_authentication,
)
from checkout.payments.books.manners import refuses_failed_authentication
from checkout.payments.card_brands import SCHEMES
from checkout.payments.challenge_token import hash_of, token_for
from checkout.payments.events import move_attempt
from checkout.payments.locking import invalidate_rows
from checkout.payments.messages import ProviderAnswered, ProviderOutcome
from checkout.payments.models import Attempt
from checkout.payments.providers.base import (
    Challenge,
    Outcome,
    ProviderResult,
    Refusal,
    RefusalReason,
)
from checkout.payments.sagas.operations.opening import open_capture
from checkout.payments.service.attack_detection import count_card
from checkout.payments.service.cards.saving import drop_card, keep_card, note_use
from checkout.states import Actor, AttemptState, attempt_machine
from messaging.compiled_queries import update_in_batch

# The event that each outcome causes on an attempt, and the event's actor. Any other outcome causes
# ``outcome_unknown``.
EVENTS = {
    Outcome.APPROVED: ("authorised", Actor.PROVIDER),
    Outcome.CHALLENGE_REQUIRED: ("challenge_required", Actor.PROVIDER),
    Outcome.REFUSED: ("refused", Actor.PROVIDER),
    Outcome.NOT_SENT: ("not_sent", Actor.SAGA),
    Outcome.NOT_ABLE: ("not_sent", Actor.SAGA),
}

# The outcome that is the answer for each state in which an attempt has ended.
ENDS = {
    AttemptState.AUTHORISED: Outcome.APPROVED,
    AttemptState.REFUSED: Outcome.REFUSED,
    AttemptState.NOT_SENT: Outcome.NOT_SENT,
    AttemptState.EXPIRED: Outcome.REFUSED,
}

# The fields of an attempt that an answer may change, beside its state.
KEPT = (
    "session_state",
    "challenge",
    "challenge_count",
    "challenge_token_hash",
    "challenge_expires_at",
    "three_d_secure",
    "card",
    "refusal_reason",
    "refusal_code",
)


def apply_to_attempt(attempt: Attempt, result: ProviderResult) -> ProviderAnswered:
    """Move the attempt according to the result, store the result's details, and return the answer.

    If the result comes too late to move the attempt, the answer is the outcome with which the attempt ended.
    Two kinds of result are conflicts, which staff settle: a result about another order or amount than ours,
    and an authorisation of an attempt that had ended without money.
    """
    if is_for_another_payment(attempt, result):
        return conflict(attempt, result)
    result = _understood(attempt, result)
    event, actor = EVENTS.get(result.outcome, ("outcome_unknown", Actor.SAGA))
    if attempt_machine.allows(attempt.state, event, actor):
        if result.outcome == Outcome.CHALLENGE_REQUIRED and result.challenge:
            _keep_challenge(attempt, result.challenge)
        _keep_details(attempt, result)
        move_attempt(attempt.payment, attempt, event, actor, *KEPT)
        is_declined = attempt.state == AttemptState.REFUSED or is_refused_by_us(attempt)
        if attempt.state in (AttemptState.AUTHORISED, AttemptState.REFUSED):
            count_card(attempt, is_declined=is_declined)
        if attempt.state == AttemptState.AUTHORISED and attempt.saves_card and not is_declined:
            keep_card(attempt, result)
        if is_declined and attempt.saves_card and result.token is not None:
            drop_card(attempt, result.token)
        if attempt.state == AttemptState.AUTHORISED and attempt.saved_card is not None:
            note_use(attempt.saved_card)
        if attempt.state == AttemptState.AUTHORISED and attempt.capture_reference:
            open_capture(attempt)
    elif result.outcome == Outcome.APPROVED and attempt.state != AttemptState.AUTHORISED:
        return conflict(attempt, result)
    elif attempt.state == AttemptState.REFUSED and result.outcome == Outcome.REFUSED:
        _keep_details(attempt, result)
        update_in_batch(attempt, *KEPT)
        invalidate_rows(attempt.payment)
    return answer_of(attempt, otherwise=result.outcome, event=result.event)


def answer_of(attempt: Attempt, *, otherwise: str, event: str = "") -> ProviderAnswered:
    """Return the outcome with which the attempt ended, or ``otherwise`` if it has not ended.

    If an approval has a reason for a refusal, the authorisation must be released.
    """
    if attempt.state == AttemptState.CONFLICTED:
        return ProviderAnswered(outcome=ProviderOutcome.CONFLICTED, event=event)
    outcome = ENDS.get(AttemptState(attempt.state), otherwise)
    has_reason = outcome in (Outcome.REFUSED, Outcome.NOT_SENT) or is_refused_by_us(attempt)
    reason = attempt.refusal_reason if has_reason else ""
    brand, digits = (str(attempt.card.get(name) or "") for name in ("brand", "last4"))
    return ProviderAnswered(
        outcome=ProviderOutcome(outcome),
        event=event,
        refusal_reason=reason,
        card_brand=brand if brand in SCHEMES else "",
        card_last4=digits if re.fullmatch("[0-9]{4}", digits) else "",
    )


def is_refused_by_us(attempt: Attempt) -> bool:
    """Return True if money is held that we refuse to take because the authentication failed."""
    is_failed = attempt.refusal_reason == RefusalReason.AUTHENTICATION_FAILED
    return is_failed and attempt.state == AttemptState.AUTHORISED


def _understood(attempt: Attempt, result: ProviderResult) -> ProviderResult:
    """Replace an outcome with which the attempt cannot continue by a refusal or by ``UNKNOWN``."""
    if result.outcome == Outcome.DEVICE_DATA_REQUIRED:
        # Our page has already tried to collect the device data, so this browser cannot continue.
        return _refuse(result, RefusalReason.AUTHENTICATION_REQUIRED)
    if result.outcome == Outcome.CHALLENGE_REQUIRED and result.challenge is None:
        return replace(result, outcome=Outcome.UNKNOWN)
    if result.outcome == Outcome.CHALLENGE_REQUIRED and attempt.merchant_initiated:
        # There is no shopper to complete a challenge. The payment can still be paid at its checkout.
        return _refuse(result, RefusalReason.AUTHENTICATION_REQUIRED)
    if result.outcome == Outcome.CHALLENGE_REQUIRED and attempt.challenge_count >= conf.max_challenges:
        return _refuse(result, RefusalReason.AUTHENTICATION_FAILED)
    if is_held_without_authentication(attempt, result) and refuses_failed_authentication(
        attempt.provider_account
    ):
        return replace(result, refusal=Refusal(reason=RefusalReason.AUTHENTICATION_FAILED))
    return result


def _refuse(result: ProviderResult, reason: RefusalReason) -> ProviderResult:
    return replace(result, outcome=Outcome.REFUSED, refusal=Refusal(reason=reason))


def _keep_challenge(attempt: Attempt, challenge: Challenge) -> None:
    attempt.challenge = asdict(challenge)
    attempt.challenge_count += 1
    attempt.challenge_token_hash = hash_of(token_for(attempt))
    attempt.challenge_expires_at = timezone.now() + conf.challenge_lifetime


def _keep_details(attempt: Attempt, result: ProviderResult) -> None:
    """Store the details that the answer contains; the others stay as they were."""
    attempt.session_state = result.session_state or attempt.session_state
    if result.three_ds:
        attempt.three_d_secure = asdict(result.three_ds)
    if result.card:
        attempt.card = asdict(result.card)
    if result.refusal:
        attempt.refusal_reason = result.refusal.reason
        attempt.refusal_code = result.refusal.code[:50]
    elif result.outcome == Outcome.APPROVED:
        # An earlier refusal of another copy does not count: the money is held.
        attempt.refusal_reason = attempt.refusal_code = ""


def conflict(attempt: Attempt, result: ProviderResult) -> ProviderAnswered:
    """Mark the attempt as conflicted, for staff to settle, if its state allows that."""
    if attempt_machine.allows(attempt.state, "conflicted", Actor.PROVIDER):
        move_attempt(attempt.payment, attempt, "conflicted", Actor.PROVIDER)
    return ProviderAnswered(outcome=ProviderOutcome.CONFLICTED, event=result.event)
