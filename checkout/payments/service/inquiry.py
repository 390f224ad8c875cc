"""Ask the provider for the outcome of an attempt. An unknown outcome is never resolved by repeating."""

from dataclasses import replace
from functools import partial

from django.utils import timezone

from checkout.payments.books.ours import may_order_exist
from checkout.payments.calls import CallsInFlight, under_way
from checkout.payments.messages import InquirePayment
from checkout.payments.models import Attempt
from checkout.payments.providers.base import Outcome, ProviderResult, RefusalReason, Verb
from checkout.payments.service.attempt_outcome import answer_of, apply_to_attempt
from checkout.payments.service.attempts import attempt_of
from checkout.payments.service.facts import answer_fact
from checkout.payments.service.provider_call import CallResult, commit_conclusion, not_sent, provider_inquiry
from checkout.payments.service.service import service
from checkout.states import AttemptState
from messaging.worker.service import Message

# States of an attempt that was not sent yet, or about which the provider knows no more than we do.
CLOSED_STATES = (
    AttemptState.CREATED,
    AttemptState.AUTHORISED,
    AttemptState.REFUSED,
    AttemptState.CONFLICTED,
)


@service.handles(InquirePayment, transactional=False)
def inquire(command: InquirePayment, message: Message) -> None:
    """Answer with the attempt's outcome if we know it now, otherwise with the provider's answer.

    An inquiry changes nothing at the provider.
    """
    attempt = attempt_of(command.attempt)
    before = under_way(attempt)
    if _is_open(attempt):
        provider_inquiry(message, attempt, partial(_conclude, before))
    else:
        commit_conclusion(message, attempt, partial(_conclude, before, result=None))


def _is_open(attempt: Attempt) -> bool:
    """Return True if the provider may know more than we do."""
    return attempt.state not in CLOSED_STATES and not _is_in_challenge(attempt)


def _is_in_challenge(attempt: Attempt) -> bool:
    """Return True while the shopper has time for the challenge. Providers often deny such an order."""
    expires_at = attempt.challenge_expires_at
    return (
        attempt.state == AttemptState.CHALLENGE_REQUIRED
        and expires_at is not None
        and expires_at > timezone.now()
    )


def _is_back_from_challenge(attempt: Attempt) -> bool:
    """Return True if the shopper has returned from the challenge and the second message was not sent yet.

    This happens when the shopper returns just as the challenge expires.
    """
    if attempt.state != AttemptState.CHALLENGE_RETURNED:
        return False
    return attempt.provider_calls.filter(verb=Verb.COMPLETE_CHALLENGE).count() < attempt.challenge_count


def _conclude(before: CallsInFlight, attempt: Attempt, result: ProviderResult | None) -> CallResult:
    if attempt.state == AttemptState.CREATED:
        # The command to authorise is late, and the saga that inquires is about to give up. Therefore the
        # attempt is closed here, and the late command will have no effect.
        result = not_sent(RefusalReason.PROVIDER_ERROR)
    # Providers deny knowing an order that is in a challenge. The challenge may also have begun after the
    # inquiry, or have expired: the purchase still has to cancel it.
    is_back = _is_back_from_challenge(attempt)
    is_challenged = is_back or attempt.state == AttemptState.CHALLENGE_REQUIRED
    if is_challenged and (result is None or result.outcome in (Outcome.NOT_SENT, Outcome.NOT_FOUND)):
        return CallResult(answer_of(attempt, otherwise=Outcome.CHALLENGE_REQUIRED))
    if is_back and result is not None and result.outcome == Outcome.UNKNOWN:
        # The second message, which is about to be sent, brings the outcome. If the outcome of the attempt
        # became unknown now, that message would not be sent.
        return CallResult(answer_of(attempt, otherwise=Outcome.CHALLENGE_REQUIRED))
    if result is None:
        return CallResult(answer_of(attempt, otherwise=Outcome.UNKNOWN))
    if result.outcome == Outcome.NOT_FOUND:
        is_certain = not may_order_exist(before, attempt)
        result = replace(result, outcome=Outcome.NOT_SENT if is_certain else Outcome.UNKNOWN)
    answer = apply_to_attempt(attempt, result)
    return CallResult(answer, answer_fact(attempt, f"{Verb.INQUIRE}_{answer.outcome}", result, answer))
