"""Step three of a provider call: its outcome, the fact and the reply in one transaction."""

from collections.abc import Callable

import structlog
from django.db import transaction

from checkout.payments.checkout_messages import ApplyProviderEvent
from checkout.payments.messages import AttemptReviewed, ClaimChecked, ProviderAnswered, ProviderOutcome
from checkout.payments.models import Attempt, Fact
from checkout.payments.models.messages import send_to_checkout
from checkout.payments.providers.base import Position, ProviderResult
from checkout.privacy.scrubbing import scrub_text
from checkout.states import Actor
from messaging.compiled_queries import insert
from messaging.worker.service import AlreadyHandled, Message

log = structlog.get_logger(__name__)

# Our own outcome for a provider's answer that contradicts what we know.
CONFLICTED = ProviderOutcome.CONFLICTED


def conclude(
    message: Message,
    attempt: Attempt,
    record: Callable[[], ProviderAnswered | ClaimChecked | AttemptReviewed],
) -> None:
    """Run ``record`` and send what it returns as the reply.

    If another copy of the command was answered meanwhile (with "unknown", as it found our intent), the result
    is recorded all the same, so that the inquiry after an unknown outcome finds it. A conflict is also sent
    to the orchestrator as an event, since the saga may have gone on without this answer.
    """
    try:
        with message.once():
            answer = record()
            message.reply(answer)
            if answer.outcome == CONFLICTED:
                _tell(attempt)
    except AlreadyHandled:
        with transaction.atomic():
            if record().outcome == CONFLICTED:
                _tell(attempt)
        raise


def _tell(attempt: Attempt) -> None:
    reference = attempt.payment.reference
    event = ApplyProviderEvent(payment=reference, attempt=attempt.order_code, kind=CONFLICTED)
    send_to_checkout(event, reference)


def record_fact(
    attempt: Attempt, kind: str, result: ProviderResult, answer: ProviderAnswered, *, reference: str = ""
) -> None:
    """Record the provider's answer as a fact, with our own outcome if it differs."""
    data = {
        "outcome": str(result.outcome),
        "event": result.event,
        "reference": reference or result.reference,
        "amount": str(result.amount) if result.amount else "",
        "position": _in_words(result.position) if result.position else "",
        "refusal_code": result.refusal.code if result.refusal else "",
        "refusal_description": result.refusal.description if result.refusal else "",
        "security_code_check": result.checks.security_code if result.checks else "",
        "address_check": result.checks.address if result.checks else "",
    }
    if str(answer.outcome) != str(result.outcome):
        data["taken_as"] = answer.outcome
    fact = Fact(
        payment=attempt.payment,
        attempt=attempt,
        source=Actor.PROVIDER,
        kind=kind,
        data={name: scrub_text(value) for name, value in data.items() if value},
        text=scrub_text(result.transcript),
    )
    insert(fact)
    if answer.outcome == CONFLICTED:
        log.error("provider contradicts us", attempt=attempt.order_code, said=result.event)


def _in_words(position: Position) -> str:
    return f"authorised {position.authorised}, captured {position.captured}, refunded {position.refunded}"
