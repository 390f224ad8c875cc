"""Rows as the running system would have written them."""

import secrets
from datetime import timedelta

from django.db import transaction
from django.utils import timezone

from checkout.api.models import IdempotencyRecord
from checkout.ledger.models import DailyTotal, LedgerEntry
from checkout.orders.models import Reservation
from checkout.payments.models import (
    ApprovalRequest,
    Attempt,
    DeadLetter,
    Difference,
    Event,
    Fact,
    InboxMessage,
    Merchant,
    Operation,
    OutboxMessage,
    Payment,
    PaymentLink,
    ProviderAccount,
    ProviderCall,
    ProviderNotification,
    Reconciliation,
    Saga,
    SagaStep,
    SavedCard,
)
from checkout.receipts.models import Receipt
from checkout.risk.models import RiskAssessment
from checkout.states import PaymentState
from checkout.webhooks.models import Delivery, WebhookEndpoint


def merchant(code="example"):
    return Merchant.objects.get_or_create(code=code, defaults={"name": code.title()})[0]


def account(code="sandbox", owner=None):
    fields = {
        "merchant": owner or merchant(),
        "provider": "worldpay_wpg",
        "merchant_code": "EXAMPLECODE",
        "endpoint": "http://127.0.0.1:8001/wpg",
    }
    return ProviderAccount.objects.get_or_create(code=code, defaults=fields)[0]


def payment(order, state=PaymentState.OPEN, *, owner=None, age=timedelta(), **fields):
    """Create a payment that reached its state ``age`` ago."""
    fields = {"amount_minor": 1250, "currency": "GBP", "description": f"Order {order}", **fields}
    row = Payment.objects.create(merchant=owner or merchant(), order_reference=order, state=state, **fields)
    moment = timezone.now() - age
    Payment.objects.filter(pk=row.pk).update(created_at=moment, updated_at=moment)
    row.refresh_from_db()
    return row


def attempt(of, number=1, *, last4="", through=None, **fields):
    return Attempt.objects.create(
        payment=of,
        number=number,
        provider_account=through or account(),
        order_code=f"{of.reference}-{number}",
        card={"brand": "VISA", "last4": last4, "expiry": "12/2030"} if last4 else {},
        **fields,
    )


def saga(of, status=Saga.Status.RUNNING, step="authorise"):
    tried = of.attempts.first() or attempt(of)
    return Saga.objects.create(
        kind="purchase", key=tried.order_code, payment=of, attempt=tried, step=step, status=status
    )


def untold(order="UNTOLD"):
    """Create a payment whose outcome the provider did not report."""
    made = payment(order, PaymentState.CONFIRMING)
    attempt(made, state="unknown")
    saga(made, Saga.Status.PARKED, step="inquire")
    return made


def unauthenticated(order="UNAUTHENTICATED"):
    """Create a payment that was captured although 3-D Secure had failed."""
    row = captured(order)
    row.attempts.update(three_d_secure={"result": "Failed", "status": "failed", "version": "2.2.0"})
    return row


def authorised(order="ORDER-1", **fields):
    """Create a payment that is authorised and not captured."""
    row = payment(order, PaymentState.AUTHORISED, captures_automatically=False, **fields)
    attempt(row, last4="1111", state="authorised")
    return row


def captured(order="ORDER-1", **fields):
    """Create a payment that is captured."""
    row = authorised(order, **fields)
    operation(row, "capture", row.amount_minor, state="done")
    Payment.objects.filter(pk=row.pk).update(state=PaymentState.CAPTURED)
    row.refresh_from_db()
    return row


def operation(of, kind, minor, **fields):
    return Operation.objects.create(
        payment=of,
        attempt=of.attempts.get(),
        kind=kind,
        amount_minor=minor,
        currency=of.currency,
        **fields,
    )


def waiting(of, kind, minor):
    """Create an operation whose request got no answer an hour ago, with its parked saga."""
    row = operation(of, kind, minor, state="unknown", requested_by="ann", reason="Damaged")
    sent = timezone.now() - timedelta(hours=1)
    ProviderCall.objects.create(
        attempt=row.attempt,
        key=row.reference,
        verb=kind,
        started_at=sent,
        finished_at=sent + timedelta(seconds=30),
        outcome="unknown",
        event="time-out",
    )
    Saga.objects.create(
        kind=kind,
        key=row.reference,
        payment=of,
        attempt=row.attempt,
        step="inquire",
        status=Saga.Status.PARKED,
        version=7,
    )
    why = f"The provider did not say what became of the {kind}."
    Fact.objects.create(
        payment=of,
        attempt=row.attempt,
        source="saga",
        kind="saga_parked",
        data={"saga": kind, "step": "inquire", "why": why},
    )
    return row


def claimed(of, claim="charged_back", **told):
    """Create the parked saga of a notification about which the provider's answers decided nothing."""
    tried = of.attempts.get()
    if claim in ("charged_back", "charge_back_reversed"):
        told = {"minor": 300, "currency": of.currency, "event_id": "e-1", **told}
    row = Saga.objects.create(
        kind="asking",
        key=f"{claim}:{Saga.objects.count()}",
        payment=of,
        attempt=tried,
        step="check",
        status=Saga.Status.PARKED,
        version=7,
        data={"payment": of.reference, "attempt": tried.order_code, "claim": claim, **told},
    )
    why = "The provider confirms it and does not tell how much; neither does the notification."
    for kind, source, data in (
        (f"notified_{claim}", "provider", {"event": claim.upper(), "amount": "3.00 GBP"}),
        ("claim_unclear", "provider", {"claim": claim, "event": claim.upper(), "why": why}),
        ("saga_parked", "saga", {"saga": "asking", "step": "check", "why": why}),
    ):
        Fact.objects.create(payment=of, attempt=tried, source=source, kind=kind, data=data)
    return row


def heard(about, kind, **data):
    """Create a fact that names an operation."""
    return Fact.objects.create(
        payment=about.payment,
        attempt=about.attempt,
        source="provider",
        kind=kind,
        data={"reference": about.reference, **data},
    )


def dead_letter(subject="", **fields):
    return DeadLetter.objects.create(
        **{
            "fingerprint": secrets.token_hex(16),
            "message_id": f"dead-{DeadLetter.objects.count() + 1}",
            "type": "ledger.post",
            "service": "ledger",
            "reason": "does not keep its contract",
            "subject": subject,
            "body": "{}",
            **fields,
        }
    )


def difference(of, kind="captured", **fields):
    return Difference.objects.create(
        **{
            "account": account(),
            "payment": of,
            "order_code": of.reference,
            "kind": kind,
            "currency": of.currency,
            "ours_minor": 1250,
            "theirs_minor": 1200,
            **fields,
        }
    )


def notification(of, state, reason="", **fields):
    return ProviderNotification.objects.create(
        **{
            "account": account(),
            "digest": f"digest-{ProviderNotification.objects.count() + 1}",
            "body": "<notify/>",
            "state": state,
            "reason": reason,
            "payment": of,
            **fields,
        }
    )


def asked_about(of, answer="", *, claim="captured", status=Saga.Status.COMPLETED, by_staff=False, **fields):
    """Create a hint, and the query about it with the provider's answer."""
    row = notification(of, "applied", applied_at=timezone.now(), **fields)
    tried, event_id = of.attempts.get(), f"event-{row.pk}"
    Fact.objects.create(
        payment=of,
        attempt=tried,
        source="provider",
        kind=f"hinted_{claim}",
        data={"notification": row.pk, "event": claim.upper(), "event_id": event_id},
    )
    data = {"payment": of.reference, "attempt": tried.order_code, "claim": claim, "statements": [event_id]}
    Saga.objects.create(
        kind="asking",
        key=f"{claim}:{row.pk}",
        payment=of,
        attempt=tried,
        step="check" if status in (Saga.Status.RUNNING, Saga.Status.PARKED) else "finished",
        status=status,
        data={**data, "answer": answer, "is_answered_by_staff": by_staff, "is_proven": False},
    )
    return row


@transaction.atomic
def post(of, posting, debit, credit, *, suffix=""):
    """Create the two sides of a posting, which balance if ``debit`` and ``credit`` are equal."""
    for name, minor in (("provider:in_process", debit), ("merchant:payable", -credit)):
        LedgerEntry.objects.create(
            posting=posting,
            account=f"{name}{suffix}",
            payment_reference=of.reference,
            amount_minor=minor,
            currency=of.currency,
            merchant_code=of.merchant.code,
        )


def message(of, type, message_id, *, sent, took):
    """Create a message that was handled ``took`` milliseconds after it was sent."""
    OutboxMessage.objects.create(
        message_id=message_id,
        exchange="checkout.commands",
        routing_key=type.partition(".")[0],
        type=type,
        subject=of.reference,
        body="{}",
        created_at=sent,
        available_at=sent,
        published_at=sent,
    )
    handled = sent + timedelta(milliseconds=took)
    InboxMessage.objects.create(
        consumer=type.partition(".")[0],
        message_id=message_id,
        type=type,
        subject=of.reference,
        received_at=handled,
        handled_at=handled,
    )


def paid(order="ORDER-1"):
    """Create a captured payment with one row of each kind that a purchase writes."""
    row = payment(order, PaymentState.CAPTURED, shopper_email="shopper@example.com")
    tried = attempt(
        row,
        last4="1111",
        state="authorised",
        session_state="machine-cookie-value",
        session_id="session-id-value",
        challenge_token_hash="token-hash-value",
        challenge={"payload": "challenge-payload-value"},
    )
    start = timezone.now() - timedelta(seconds=10)
    Fact.objects.create(
        payment=row, attempt=tried, source="shopper", kind="challenge_returned", recorded_at=start
    )
    step = saga(row, Saga.Status.COMPLETED, "finished")
    SagaStep.objects.create(
        saga=step,
        name="assess_risk",
        command="risk.assess",
        correlation_id=f"{step.pk}:assess_risk:1",
        body_sha256=64 * "0",
        sent_at=start + timedelta(seconds=1),
        replied_at=start + timedelta(seconds=1, milliseconds=250),
        outcome="accept",
    )
    message(row, "risk.assess", f"message-{order}", sent=start + timedelta(seconds=2), took=40)
    ProviderCall.objects.create(
        attempt=tried,
        key=f"authorise-{order}",
        verb="authorise",
        started_at=start + timedelta(seconds=3),
        finished_at=start + timedelta(seconds=4, milliseconds=500),
        outcome="approved",
        event="AUTHORISED",
    )
    # One that expired, so that no saga waits for it.
    ApprovalRequest.objects.create(
        merchant=row.merchant,
        payment=row,
        matter="money",
        action="refund",
        what=f"Refund of {order}",
        amount_minor=100,
        currency=row.currency,
        seen="1250",
        key=f"approval-{order}",
        requested_by="someone",
        requested_by_user=0,
        expires_at=start,
    )
    SavedCard.objects.create(
        merchant=row.merchant,
        customer_reference="customer-7",
        provider_account=tried.provider_account,
        shopper="cus-7",
        sealed_token="stored-token-value",
        token_hash=f"stored-token-value-{order}",
        brand="visa",
        last4="1111",
        expiry="12/2030",
        payment=row,
    )
    ProviderNotification.objects.create(
        account=tried.provider_account,
        digest=order,
        body="<notify/>",
        state="applied",
        payment=row,
        received_at=start + timedelta(seconds=5),
        applied_at=start + timedelta(seconds=5, milliseconds=70),
    )
    Operation.objects.create(
        payment=row, attempt=tried, kind="capture", amount_minor=1250, currency="GBP", state="done"
    )
    post(row, f"capture_requested:{order}", 1250, 1250)
    of_day = {"day": start.date(), "merchant_code": row.merchant.code, "currency": "GBP"}
    DailyTotal.objects.get_or_create(**of_day, kind="captured", defaults={"postings": 1, "minor": 1250})
    dead_letter(row.reference, requeued_at=start)
    difference(row, resolved_at=start)
    Reconciliation.objects.create(account=tried.provider_account, compared=1, untold=3)
    Reservation.objects.create(payment_reference=row.reference, lines=[], state="confirmed")
    endpoint, _ = WebhookEndpoint.objects.get_or_create(merchant="example", url="https://shop.example/hook")
    Delivery.objects.create(
        endpoint=endpoint, event=f"evt_{order}"[:40], event_type="payment.captured", payment=row.reference
    )
    Event.objects.create(
        merchant=row.merchant,
        payment=row,
        type="payment.captured",
        sequence=1,
        data={"object": {"id": row.reference, "state": "captured"}},
        changes={"state": "authorised"},
    )
    PaymentLink.objects.create(
        merchant=row.merchant, order_reference=order, amount_minor=1250, currency="GBP", description="Tea"
    )
    Receipt.objects.create(
        payment_reference=row.reference,
        email=row.shopper_email,
        merchant=row.merchant.name,
        order_reference=row.order_reference,
        amount_minor=row.amount_minor,
        currency=row.currency,
    )
    RiskAssessment.objects.create(
        payment_reference=row.reference, amount_minor=1250, currency="GBP", decision="accept"
    )
    IdempotencyRecord.objects.create(
        merchant="shop",
        route="POST /payments",
        key=order,
        fields={},
        status=201,
        body="response-body-value",
        subject=row.reference,
    )
    return row
