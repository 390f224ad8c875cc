"""Persists what saga definitions decide, and carries it out.

Every function here runs inside the transaction of the message that caused it: inbox row, saga row under lock,
decision and outbox rows are committed together or not at all. The saga's row is locked before the payment's,
always in that order.
"""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import msgspec
import structlog
from django.utils import timezone

from checkout.commands import Body, CapturePayment, PaymentTold
from checkout.messaging.envelope import Reply
from checkout.messaging.service import CommandRejected, Message
from checkout.models import Attempt, Fact, Operation, Payment, Saga, SagaStep
from checkout.sagas import DEFINITIONS
from checkout.sagas.definition import Ask, Decision, End, SagaDefinition
from checkout.states import Actor, PaymentState, attempt_machine, payment_machine

log = structlog.get_logger(__name__)

REPLIES = "saga"
MAX_WAITERS = 16


def group_of(payment_reference: str) -> str:
    """Return the channel-layer group that hears of a payment's changes."""
    return f"payment.{payment_reference}"


def start(definition: SagaDefinition[Any], key: str, attempt: Attempt, data: Body, message: Message) -> None:
    """Start a saga, and answer the message's sender when there is something to tell. It starts once."""
    saga, is_new = Saga.objects.select_for_update().get_or_create(
        kind=definition.kind,
        key=key,
        defaults={
            "payment_id": attempt.payment_id,
            "attempt": attempt,
            "data": msgspec.to_builtins(data),
        },
    )
    join(attempt.payment.reference, message)
    if is_new:
        _carry_out(saga, definition.start(data), message)


def join(reference: str, message: Message) -> None:
    """Let the message's sender wait for a payment; answer at once when there is something to tell already."""
    payment = Payment.objects.select_for_update(no_key=True).filter(reference=reference).first()
    if payment is None:
        raise CommandRejected("payment_not_found", "There is no such payment.")
    envelope = message.envelope
    if payment.state != PaymentState.PROCESSING:
        message.reply(PaymentTold(payment=payment.reference, state=payment.state))
    elif envelope.reply_to and payment.waiters.count() < MAX_WAITERS:
        payment.waiters.create(reply_to=envelope.reply_to, correlation_id=envelope.correlation_id)


def resume(reply: Reply, message: Message) -> None:
    """Give a service's reply to the saga that waits for it. A late or second reply changes nothing."""
    correlation_id = message.envelope.correlation_id
    saga = (
        Saga.objects.select_for_update().filter(awaiting=correlation_id).first() if correlation_id else None
    )
    if saga is None:
        log.info("reply nobody waits for", correlation_id=correlation_id, subject=message.subject)
        return
    SagaStep.objects.filter(correlation_id=correlation_id).update(
        replied_at=timezone.now(), outcome=_summary(reply)
    )
    definition = DEFINITIONS[saga.kind]
    data = msgspec.convert(saga.data, definition.data_type)
    _carry_out(saga, definition.on_reply(saga.step, data, reply), message)


def signal(saga: Saga, name: str, message: Message) -> None:
    """Tell a locked saga that something happened. It means nothing to one that has ended or is elsewhere."""
    if saga.status != Saga.Status.RUNNING:
        return
    definition = DEFINITIONS[saga.kind]
    decision = definition.on_signal(saga.step, msgspec.convert(saga.data, definition.data_type), name)
    if decision is not None:
        _carry_out(saga, decision, message)


def pass_deadline(saga_id: int, version: int, message: Message) -> None:
    """A step took too long, unless the saga has moved on since the timer looked at it."""
    saga = Saga.objects.select_for_update().filter(pk=saga_id, version=version).first()
    if saga is None or saga.status != Saga.Status.RUNNING:
        return
    definition = DEFINITIONS[saga.kind]
    data = msgspec.convert(saga.data, definition.data_type)
    _carry_out(saga, definition.on_deadline(saga.step, data), message)


def _carry_out(saga: Saga, decision: Decision[Any], message: Message) -> None:
    payment = Payment.objects.select_for_update(no_key=True).get(pk=saga.payment_id)
    _move_attempt(saga, decision)
    _move_payment(payment, decision, message)
    saga.step = decision.step
    saga.data = msgspec.to_builtins(decision.data)
    saga.status = _STATUS[decision.end]
    saga.version += 1
    saga.deadline_at = _deadline(decision)
    if decision.ask is not None:
        saga.awaiting = f"{saga.pk}:{decision.step}:{saga.version}"
        _send(saga, decision.ask, message)
    elif decision.end is not End.PARKED:
        # A parked saga still takes the reply it was waiting for.
        saga.awaiting = ""
    if (decision.tells or decision.end is not None) and _is_latest(saga, payment):
        # The saga of an earlier attempt may still be tidying up: those who wait do not wait for that.
        _tell(payment, message)
    saga.save()
    if decision.end is End.PARKED:
        log.error("saga parked", saga=saga.pk, step=saga.step, payment=payment.reference)


_STATUS: Mapping[End | None, str] = {
    None: Saga.Status.RUNNING,
    End.COMPLETED: Saga.Status.COMPLETED,
    End.COMPENSATED: Saga.Status.COMPENSATED,
    End.PARKED: Saga.Status.PARKED,
}


def _deadline(decision: Decision[Any]) -> Any:
    if decision.wait is None or decision.end is not None:
        return None
    delay = decision.ask.delay_seconds if decision.ask else 0
    return timezone.now() + decision.wait + timedelta(seconds=delay)


def _move_attempt(saga: Saga, decision: Decision[Any]) -> None:
    for event in decision.attempt_events:
        attempt = Attempt.objects.select_for_update(no_key=True).get(pk=saga.attempt_id)
        actor = Actor.CLOCK if event == "expired" else Actor.SAGA
        if attempt_machine.allows(attempt.state, event, actor):
            attempt.apply(event, actor)
            attempt.save(update_fields=["state", "updated_at"])


def _move_payment(payment: Payment, decision: Decision[Any], message: Message) -> None:
    for event in decision.events:
        move_payment(payment, event, Actor.SAGA, message, refusal_reason=decision.refusal_reason)


def move_payment(
    payment: Payment, event: str, actor: Actor, message: Message, *, refusal_reason: str = ""
) -> bool:
    """Apply ``event`` to the locked payment and tell the world; one that comes too late is only recorded.

    Returns whether it was applied.
    """
    if not payment_machine.allows(payment.state, event, actor):
        if payment.state != event:
            Fact.objects.create(
                payment=payment, source=actor, kind=f"{event}_not_applied", data={"state": payment.state}
            )
        return False
    payment.refusal_reason = refusal_reason
    payment.apply(event, actor)
    Fact.objects.create(payment=payment, source=actor, kind=event, data={"state": payment.state})
    told = {"payment": payment.reference, "state": payment.state}
    message.announce(f"payment.{payment.state}", {**told, "version": payment.version})
    message.push(group_of(payment.reference), {"type": "payment.changed", **told})
    return True


def _send(saga: Saga, ask: Ask, message: Message) -> None:
    if isinstance(ask.body, CapturePayment):
        Operation.objects.get_or_create(
            reference=ask.body.operation,
            defaults={
                "payment_id": saga.payment_id,
                "attempt_id": saga.attempt_id,
                "kind": Operation.Kind.CAPTURE,
                "amount_minor": ask.body.minor,
                "currency": ask.body.currency,
            },
        )
    SagaStep.objects.create(saga=saga, name=saga.step, command=ask.type, correlation_id=saga.awaiting)
    message.send(
        ask.service,
        ask.type,
        ask.body,
        correlation_id=saga.awaiting,
        delay_seconds=ask.delay_seconds,
    )


def _is_latest(saga: Saga, payment: Payment) -> bool:
    return bool(payment.attempts.latest("number").pk == saga.attempt_id)


def _tell(payment: Payment, message: Message) -> None:
    for waiter in payment.waiters.all():
        told = PaymentTold(payment=payment.reference, state=payment.state)
        message.tell(waiter.reply_to, waiter.correlation_id, told)
    payment.waiters.all().delete()


def _summary(reply: Reply) -> str:
    if reply.error is not None:
        return f"error: {reply.error.code}"[:60]
    for name in ("outcome", "decision"):
        if name in reply.result:
            return str(reply.result[name])[:60]
    if reply.result.get("reserved") is False:
        return "not reserved"
    return "ok"
