"""Rows as the running system would have left them behind."""

from datetime import timedelta

from django.utils import timezone

from checkout.models import (
    Attempt,
    DeadLetter,
    Difference,
    Fact,
    InboxMessage,
    LedgerEntry,
    Merchant,
    Operation,
    OutboxMessage,
    Payment,
    ProviderAccount,
    ProviderCall,
    ProviderNotification,
    Receipt,
    Reservation,
    RiskAssessment,
    Saga,
    SagaStep,
)
from checkout.states import PaymentState


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
    """A payment that reached its state ``age`` ago."""
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


def authorised(order="ORDER-1", **fields):
    """A payment whose money is held and has not been taken."""
    row = payment(order, PaymentState.AUTHORISED, captures_automatically=False, **fields)
    attempt(row, last4="1111", state="authorised")
    return row


def captured(order="ORDER-1", **fields):
    """A payment whose money was taken."""
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


def dead_letter(subject="", **fields):
    return DeadLetter.objects.create(
        **{
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


def post(of, posting, debit, credit):
    """Two sides of a posting; they balance when ``debit`` and ``credit`` are the same."""
    for name, minor in (("provider:in_process", debit), ("merchant:payable", -credit)):
        LedgerEntry.objects.create(
            posting=posting,
            account=name,
            payment_reference=of.reference,
            amount_minor=minor,
            currency=of.currency,
        )


def message(of, type, message_id, *, sent, took):
    """A message that was handled ``took`` milliseconds after it was sent."""
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
    """A captured payment with one row of everything that a purchase leaves behind."""
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
    Fact.objects.create(payment=row, attempt=tried, source="shopper", kind="submitted", recorded_at=start)
    step = saga(row, Saga.Status.COMPLETED, "finished")
    SagaStep.objects.create(
        saga=step,
        name="assess_risk",
        command="risk.assess",
        correlation_id=f"{step.pk}:assess_risk:1",
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
    dead_letter(row.reference, requeued_at=start)
    difference(row, resolved_at=start)
    Reservation.objects.create(payment_reference=row.reference, lines=[], state="confirmed")
    Receipt.objects.create(payment_reference=row.reference, email=row.shopper_email)
    RiskAssessment.objects.create(
        payment_reference=row.reference, amount_minor=1250, currency="GBP", decision="accept"
    )
    return row
