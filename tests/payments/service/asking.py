"""The payments service's commands about one attempt, and shortcuts to deliver them."""

from datetime import timedelta

from django.db.models import F

from checkout.conf import conf
from checkout.payments.messages import (
    AbandonPayment,
    AuthorisePayment,
    CapturePayment,
    CompleteAuthentication,
    InquireOperation,
    InquirePayment,
    RefundPayment,
    VoidPayment,
)
from checkout.payments.models import Attempt, Operation
from checkout.payments.service import service
from checkout.privacy.card_seal import seal_card
from checkout.states import Actor
from messaging.envelope import Envelope
from tests.payments.service.delivering import Delivered, command, deliver

RETURNED = "challenge_returned"


def to_authorise(attempt: Attempt, card: str) -> Envelope:
    """Return the command to authorise, with the card sealed as web does. An empty card is left out."""
    return to_authorise_with(attempt, seal_card(card, attempt.order_code) if card else "")


def to_authorise_with(attempt: Attempt, sealed: str) -> Envelope:
    body = AuthorisePayment(payment=attempt.payment.reference, attempt=attempt.order_code)
    return command(body, sealed=sealed)


def to_complete_challenge(attempt: Attempt) -> Envelope:
    body = CompleteAuthentication(payment=attempt.payment.reference, attempt=attempt.order_code)
    return command(body)


def to_inquire(attempt: Attempt) -> Envelope:
    body = InquirePayment(payment=attempt.payment.reference, attempt=attempt.order_code)
    return command(body)


def to_abandon(attempt: Attempt) -> Envelope:
    body = AbandonPayment(payment=attempt.payment.reference, attempt=attempt.order_code)
    return command(body)


def to_capture(operation: Operation, *, minor: int | None = None) -> Envelope:
    body = CapturePayment(
        payment=operation.payment.reference,
        attempt=operation.attempt.order_code,
        operation=operation.reference,
        minor=operation.amount_minor if minor is None else minor,
        currency=operation.currency,
    )
    return command(body)


def to_void(operation: Operation) -> Envelope:
    body = VoidPayment(
        payment=operation.payment.reference,
        attempt=operation.attempt.order_code,
        operation=operation.reference,
    )
    return command(body)


def to_refund(operation: Operation) -> Envelope:
    body = RefundPayment(
        payment=operation.payment.reference,
        attempt=operation.attempt.order_code,
        operation=operation.reference,
        minor=operation.amount_minor,
        currency=operation.currency,
    )
    return command(body)


def to_inquire_operation(operation: Operation) -> Envelope:
    body = InquireOperation(
        payment=operation.payment.reference,
        attempt=operation.attempt.order_code,
        operation=operation.reference,
    )
    return command(body)


def authorise(attempt: Attempt, card: str) -> Delivered:
    return told(attempt, to_authorise(attempt, card))


def inquire(attempt: Attempt) -> Delivered:
    return told(attempt, to_inquire(attempt))


def carry_out(operation: Operation) -> str:
    """Send the command of the operation's kind; return the outcome."""
    to_carry_out = {"capture": to_capture, "void": to_void, "refund": to_refund}[operation.kind]
    return outcome_of(operation, to_carry_out(operation))


def inquire_operation(operation: Operation) -> str:
    return outcome_of(operation, to_inquire_operation(operation))


def outcome_of(operation: Operation, envelope: Envelope) -> str:
    outcome = deliver(service, envelope).result["outcome"]
    operation.refresh_from_db()
    return str(outcome)


def told(attempt: Attempt, envelope: Envelope) -> Delivered:
    """Deliver the command and refresh the attempt."""
    delivered = deliver(service, envelope)
    attempt.refresh_from_db()
    return delivered


def come_back(attempt: Attempt) -> None:
    """Record that the shopper has returned from the ACS."""
    attempt.apply(RETURNED, Actor.SHOPPER)
    attempt.save()


def operation_on(attempt: Attempt, kind: str, minor: int = 1250) -> Operation:
    return Operation.objects.create(
        payment=attempt.payment, attempt=attempt, kind=kind, amount_minor=minor, currency="GBP"
    )


def let_settle(attempt: Attempt) -> None:
    """Move the start of every provider call back so far that queries must show a request that arrived."""
    for call in attempt.provider_calls.all():
        call.started_at -= conf.settling_time + conf.order_lag + conf.modification_lag
        call.save(update_fields=["started_at"])


def booked_earlier(by: timedelta) -> None:
    """Move all bookings back in time."""
    Operation.objects.update(updated_at=F("updated_at") - by)


def settle(operation: Operation, state: str) -> None:
    operation.state = state
    operation.save()
