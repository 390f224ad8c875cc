"""Apply a provider's notification: match it, write it down, move what it is about, tell the orchestrator."""

from collections.abc import Iterable

import structlog
from django.utils import timezone

from checkout.commands import ApplyNotification, ApplyProviderEvent, ProviderAnswered
from checkout.errors import NotificationRejected
from checkout.messaging.service import Message
from checkout.models import Attempt, Fact, ProviderNotification
from checkout.providers.base import EventKind, Notification, Outcome, ProviderResult
from checkout.providers.registry import get_provider
from checkout.scrubbing import scrub_text
from checkout.services.payments.attempt_outcome import (
    ENDS,
    apply_to_attempt,
    conflict,
    is_for_another_payment,
)
from checkout.services.payments.conclusion import CONFLICTED
from checkout.services.payments.operation_outcome import operation_of, settle
from checkout.services.payments.service import service
from checkout.states import Actor

log = structlog.get_logger(__name__)

# What a notification says about the attempt itself. A capture or refund implies that it was authorised.
OUTCOMES = {
    EventKind.AUTHORISED: Outcome.APPROVED,
    EventKind.CAPTURED: Outcome.APPROVED,
    EventKind.SETTLED: Outcome.APPROVED,
    EventKind.REFUNDED: Outcome.APPROVED,
    EventKind.REFUSED: Outcome.REFUSED,
}

State = ProviderNotification.State


@service.command("payments.apply_notification")
def apply_notification(command: ApplyNotification, message: Message) -> None:
    """Apply every statement of a stored notification, once, in the order in which the provider made them."""
    row = (
        ProviderNotification.objects.select_for_update(of=("self",))
        .select_related("account")
        .get(pk=command.notification)
    )
    if row.state != State.RECEIVED:
        return
    provider = get_provider(row.account.opened())
    try:
        statements = provider.parse_notification(row.body.encode())
    except NotificationRejected:
        log.error("stored notification cannot be read", notification=row.pk, account=row.account.code)
        _finish(row, State.UNREADABLE)
        return
    attempts = _locked_attempts(row, {statement.order_code for statement in statements})
    states = [_apply(row, attempts.get(statement.order_code), statement, message) for statement in statements]
    row.payment = next((attempt.payment for attempt in attempts.values()), None)
    _finish(row, _worst(states))


def _locked_attempts(row: ProviderNotification, order_codes: Iterable[str]) -> dict[str, Attempt]:
    """Lock all of them at once, in one order, so that two notifications never wait for each other."""
    attempts = (
        Attempt.objects.select_for_update(of=("self",), no_key=True)
        .select_related("payment", "provider_account")
        .filter(order_code__in=order_codes, provider_account=row.account)
        .order_by("pk")
    )
    return {attempt.order_code: attempt for attempt in attempts}


def _apply(
    row: ProviderNotification, attempt: Attempt | None, statement: Notification, message: Message
) -> str:
    if attempt is None:
        log.error("notification of an unknown order", notification=row.pk, order=statement.order_code)
        return State.UNMATCHED
    result = ProviderResult(
        outcome=OUTCOMES.get(statement.kind, Outcome.PENDING),
        order_code=statement.order_code,
        event=statement.event,
        kind=statement.kind,
        amount=statement.amount,
        reference=statement.reference,
    )
    answer = _judged(row, attempt, statement, result)
    _record_fact(attempt, statement, answer, result)
    if answer.outcome == CONFLICTED:
        _tell(attempt, statement, CONFLICTED, message)
        return State.CONFLICTED
    if answer.outcome == result.outcome:
        _tell(attempt, statement, statement.kind, message)
    return State.APPLIED


def _judged(
    row: ProviderNotification, attempt: Attempt, statement: Notification, result: ProviderResult
) -> ProviderAnswered:
    """Apply the statement. The answer's outcome differs from the result's when it was not applied."""
    if statement.merchant_code != row.account.merchant_code or is_for_another_payment(attempt, result):
        return conflict(attempt, result)
    operation = operation_of(attempt, statement.kind, statement.reference)
    if operation is not None and not settle(operation, statement.kind, statement.amount):
        return conflict(attempt, result)
    if statement.kind in OUTCOMES and attempt.state in ENDS:
        return apply_to_attempt(attempt, result)
    # How an open attempt ends is the provider's own reply to tell. A notification can be forged by whoever
    # knows its address, so it only makes the saga ask.
    return ProviderAnswered(outcome=result.outcome, event=result.event)


def _record_fact(
    attempt: Attempt, statement: Notification, answer: ProviderAnswered, result: ProviderResult
) -> None:
    data = {
        "event": statement.event,
        "event_id": statement.event_id,
        "amount": str(statement.amount) if statement.amount else "",
        "reference": statement.reference,
        "taken_as": answer.outcome if answer.outcome != result.outcome else "",
    }
    Fact.objects.create(
        payment=attempt.payment,
        attempt=attempt,
        source=Actor.PROVIDER,
        kind=f"notified_{statement.kind}",
        data={name: scrub_text(value) for name, value in data.items() if value},
    )


def _tell(attempt: Attempt, statement: Notification, kind: str, message: Message) -> None:
    payment = attempt.payment
    event = ApplyProviderEvent(
        payment=payment.reference,
        attempt=attempt.order_code,
        kind=kind,
        minor=statement.amount.minor if statement.amount else None,
        currency=statement.amount.currency if statement.amount else "",
    )
    message.send("checkout", "checkout.apply_provider_event", event, reply_to="", subject=payment.reference)


def _worst(states: list[str]) -> str:
    for state in (State.CONFLICTED, State.UNMATCHED):
        if state in states:
            return state
    return State.APPLIED


def _finish(row: ProviderNotification, state: str) -> None:
    row.state = state
    row.applied_at = timezone.now()
    row.save(update_fields=["state", "applied_at", "payment"])
