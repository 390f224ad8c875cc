"""Callers that hold a request: they are registered, and replied to when there is news to wait for no longer.

The payment is locked meanwhile, so that a waiter that is added while replies are sent is not missed.
"""

from collections.abc import Iterable, Sequence
from typing import Any

from checkout.payments.checkout_messages import OperationNews, OperationTold, PaymentTold
from checkout.payments.locking import locked_payment
from checkout.payments.models import Attempt, Operation, Payment, Saga, Waiter
from checkout.payments.sagas.definition import Decision
from checkout.payments.sagas.operations.data import OperationData
from checkout.states import PaymentState
from messaging.compiled_queries import Compiled, insert
from messaging.worker.service import CommandRejected, Message

# The most waiters of one payment. Further ones get no answer, and their time runs out.
MAX_WAITERS = 16


def join(reference: str, message: Message) -> None:
    """Register the message's sender as a waiter, or reply at once if the payment is not being processed."""
    payment = locked_payment(reference)
    if payment is None:
        raise CommandRejected("payment_not_found", "There is no such payment.")
    if payment.state != PaymentState.PROCESSING:
        message.reply(PaymentTold(payment=payment.reference, state=PaymentState(payment.state)))
    else:
        _wait(payment, message)


def join_operation(reference: str, operation: str, message: Message) -> None:
    """Register the sender as a waiter for an operation, or reply at once if there is news of it already."""
    payment = locked_payment(reference)
    if payment is None or not payment.operations.filter(reference=operation).exists():
        raise CommandRejected("operation_not_found", "This payment has no such operation.")
    told = _news_of(payment, operation)
    if told is not None:
        message.reply(told)
    else:
        _wait(payment, message, operation)


def _wait(payment: Payment, message: Message, operation: str = "") -> None:
    envelope = message.envelope
    if envelope.reply_to and len(_WAITERS.all(payment.pk)) < MAX_WAITERS:
        waiter = Waiter(
            payment=payment,
            operation=operation,
            reply_to=envelope.reply_to,
            correlation_id=envelope.correlation_id,
        )
        insert(waiter)


def reply_to_waiters(saga: Saga, decision: Decision[Any], message: Message, payment: Payment) -> None:
    """Reply to those who wait for the saga's payment or operation, if the decision is news for them."""
    is_operation = isinstance(decision.data, OperationData)
    is_news = decision.reply_to_waiters or decision.end is not None
    if not is_news and not is_operation:
        return
    waiters = _WAITERS.all(payment.pk)
    if is_operation:
        _tell_of_operation(payment, decision.data.operation, waiters, message)
    # The saga of an earlier attempt may still be compensating. The waiters do not wait for that.
    if is_news and any(not waiter.operation for waiter in waiters) and _is_latest(saga, payment):
        tell(payment, waiters, message)


def tell(payment: Payment, waiters: Iterable[Waiter], message: Message) -> None:
    """Reply with the payment's state to those of its ``waiters`` that wait for it, and delete their rows."""
    told = PaymentTold(payment=payment.reference, state=PaymentState(payment.state))
    _reply([waiter for waiter in waiters if not waiter.operation], told, message)


def _tell_of_operation(payment: Payment, reference: str, waiters: Iterable[Waiter], message: Message) -> None:
    waiting = [waiter for waiter in waiters if waiter.operation == reference]
    told = _news_of(payment, reference) if waiting else None
    if told is not None:
        _reply(waiting, told, message)


def _news_of(payment: Payment, reference: str) -> OperationTold | None:
    """Return the news of an operation; None if the provider has not answered about it."""
    found = Operation.objects.filter(reference=reference, payment_id=payment.pk)
    state = found.values_list("state", flat=True).first()
    if state not in set(OperationNews):
        return None
    return OperationTold(payment=payment.reference, operation=reference, state=OperationNews(state))


def _reply(waiters: Sequence[Waiter], told: PaymentTold | OperationTold, message: Message) -> None:
    for waiter in waiters:
        message.reply_transient(waiter.reply_to, waiter.correlation_id, told)
    if waiters:
        Waiter.objects.filter(pk__in=[waiter.pk for waiter in waiters]).delete()


def _is_latest(saga: Saga, payment: Payment) -> bool:
    latest = _LATEST_ATTEMPT.first(payment.pk)
    return latest is not None and latest.pk == saga.attempt_id


_WAITERS = Compiled(lambda payment: Waiter.objects.filter(payment_id=payment))
_LATEST_ATTEMPT = Compiled(
    lambda payment: Attempt.objects.filter(payment_id=payment).only("pk").order_by("-number")[:1]
)
