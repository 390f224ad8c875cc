"""Parked sagas that ask about a notification which the provider's answers neither confirm nor deny."""

from typing import Any

from checkout.ledger import service as ledger
from checkout.money import Money
from checkout.payments.checkout_messages import ApplyProviderEvent, SettleBooks
from checkout.payments.messages import CheckClaim
from checkout.payments.models import Attempt, Operation, OutboxMessage, Payment, Saga
from checkout.payments.sagas.service import service
from checkout.payments.sagas.settlement.matter import seen_of_saga
from checkout.payments.service import service as payments
from checkout.states import PaymentState
from messaging.envelope import Envelope
from tests.payments.service.asking import operation_on, settle
from tests.payments.service.delivering import Delivered, command, deliver
from tests.payments.service.replying import answered
from tests.payments.service.settling import authorised
from tests.support.settling import claim_found, settle_claim

CHARGED_BACK, REVERSED = "charged_back", "charge_back_reversed"
Kind, State = Operation.Kind, Operation.State


def gbp(minor: int) -> Money:
    return Money(minor, "GBP")


def captured(attempt: Attempt, minor: int = 1000) -> Attempt:
    """Capture a part of the attempt's 12.50 GBP and return the attempt."""
    settle(operation_on(authorised(attempt), Kind.CAPTURE, minor), State.DONE)
    Payment.objects.update(state=PaymentState.PARTIALLY_CAPTURED)
    return attempt


def claimed(attempt: Attempt, claim: str = CHARGED_BACK, minor: int | None = 300, **told: Any) -> Saga:
    """Return the parked saga of a claim, after an unclear answer of the provider."""
    told = {"minor": minor, "currency": "GBP", "event_id": "e-1", **told}
    event = ApplyProviderEvent(
        payment=attempt.payment.reference, attempt=attempt.order_code, kind=claim, **told
    )
    deliver(service, command(event))
    saga = Saga.objects.filter(kind="asking").latest("pk")
    answered(saga, outcome="unclear", why="Nobody tells how much.")
    assert saga.status == Saga.Status.PARKED
    return saga


def checked(attempt: Attempt, minor: int | None, claim: str = "refunded", *, is_proven: bool = True) -> str:
    """Ask the provider about a claim that names no operation of ours, and return the outcome."""
    body = CheckClaim(
        payment=attempt.payment.reference,
        attempt=attempt.order_code,
        claim=claim,
        minor=minor,
        currency="GBP" if minor is not None else "",
        is_proven=is_proven,
    )
    return str(deliver(payments, command(body)).result["outcome"])


def to_settle_claim(saga: Saga, *, is_true: bool, amount: Money | None = None) -> Envelope:
    body = SettleBooks(
        payment=saga.payment.reference,
        found=claim_found(saga.pk, is_true=is_true, amount=amount),
        seen=seen_of_saga(saga),
        by="ada",
    )
    return command(body)


def said(saga: Saga, *, is_true: bool, amount: Money | None = None, by: str = "ada") -> Envelope:
    """Settle the claim as staff do. Return the command that was written to the outbox."""
    settle_claim(saga.pk, is_true=is_true, amount=amount, by=by, reason="Seen in the portal")
    row = OutboxMessage.objects.filter(type="checkout.settle_books").latest("pk")
    return Envelope(
        type=row.type, body=row.body.encode(), message_id=row.message_id, headers={"subject": row.subject}
    )


def carried_out(envelope: Envelope, saga: Saga) -> Delivered:
    """Deliver the command and refresh the saga."""
    delivered = deliver(service, envelope)
    saga.refresh_from_db()
    return delivered


def by_issuer() -> list[Operation]:
    return list(Operation.objects.filter(kind__in=(Kind.CHARGE_BACK, Kind.CHARGE_BACK_REVERSAL)))


def booked() -> list[tuple[str, int]]:
    return [(each.kind, each.amount_minor) for each in by_issuer()]


def post_all() -> None:
    """Deliver each outbox command to start an operation twice, and each resulting posting twice."""
    for row in OutboxMessage.objects.filter(type="checkout.start_operation"):
        for _ in range(2):
            envelope = Envelope(
                type=row.type,
                body=row.body.encode(),
                message_id=row.message_id,
                headers={"subject": row.subject},
            )
            for posting in deliver(service, envelope).commands:
                if posting.type == "ledger.post":
                    deliver(ledger.service, posting)
                    deliver(ledger.service, posting)
