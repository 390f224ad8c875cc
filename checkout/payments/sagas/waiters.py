"""Register callers that hold a request, and reply to them as soon as there is news.

The payment is locked, so that a waiter that is added while replies are sent is not missed.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

from django.utils import timezone

from checkout.payments.checkout_messages import OperationNews, OperationStatusReply, PaymentStatusReply
from checkout.payments.locking import invalidate_rows, locked_payment, read_once
from checkout.payments.models import Operation, Payment, Saga, Waiter
from checkout.payments.objects.attempt import latest_attempt
from checkout.payments.sagas.definition import Decision
from checkout.payments.sagas.operations.data import OperationData
from checkout.states import PaymentState
from messaging.compiled_queries import Compiled, delete_in_batch, insert_in_batch, update_in_batch
from messaging.envelope import Envelope
from messaging.worker.service import CommandRejected, Message

# The most waiters of one payment whose time is not over. Further callers get no answer.
MAX_WAITERS = 16
# The longest time that a caller waits, whatever its message says.
LONGEST_WAIT = timedelta(seconds=60)


def join(reference: str, message: Message) -> None:
    """Register the message's sender as a waiter for a payment, or reply at once, as ``join_locked`` does.

    Raises CommandRejected if there is no such payment.
    """
    payment = locked_payment(reference)
    if payment is None:
        raise CommandRejected("payment_not_found", "There is no such payment.")
    join_locked(payment, message)


def join_locked(payment: Payment, message: Message) -> None:
    """Register the message's sender as a waiter, or reply at once if the payment is not being processed."""
    if payment.state != PaymentState.PROCESSING:
        message.reply(PaymentStatusReply(payment=payment.reference, state=PaymentState(payment.state)))
    else:
        _wait(payment, message)


def join_operation(reference: str, operation: str, message: Message) -> None:
    """Register the sender as a waiter for an operation, or reply at once if there is news of it already.

    Raises CommandRejected if the payment has no such operation.
    """
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
    if not envelope.reply_to:
        return
    now = timezone.now()
    waiters = _waiters(payment)
    # Their requests were answered without news, their clients have left, or their processes have died.
    gone = [waiter for waiter in waiters if waiter.ends_at <= now]
    delete_in_batch(*gone)
    if len(waiters) - len(gone) < MAX_WAITERS:
        waiter = Waiter(
            payment=payment,
            operation=operation,
            reply_to=envelope.reply_to,
            correlation_id=envelope.correlation_id,
            ends_at=_end_of_wait(envelope, now),
        )
        insert_in_batch(waiter)
    invalidate_rows(payment)


def _end_of_wait(envelope: Envelope, now: datetime) -> datetime:
    """Return the end of a wait that begins now. Its length is the time between the message's two times."""
    if envelope.deadline is None:
        return now + LONGEST_WAIT
    seconds = envelope.deadline // 1000 - envelope.timestamp + 1  # any number: the sender chose both
    return now + timedelta(seconds=min(max(seconds, 0), LONGEST_WAIT.total_seconds()))


def reply_to_waiters(saga: Saga, decision: Decision[Any], message: Message, payment: Payment) -> None:
    """Reply to those who wait for the saga's payment or operation, if the decision is news for them."""
    is_operation = isinstance(decision.data, OperationData)
    is_news = decision.reply_to_waiters or decision.end is not None
    if not is_news and not is_operation:
        return
    waiters = _waiters(payment)
    if is_operation:
        _tell_of_operation(payment, decision.data.operation, waiters, message)
    # The saga of an earlier attempt may still be undoing its steps. The waiters do not wait for that.
    if is_news and any(not waiter.operation for waiter in waiters) and _is_latest(saga, payment):
        reply_with_state(payment, waiters, message)
    if is_news and not payment.answer_tier and PaymentState(payment.state).is_decided:
        _note_tier(payment, waiters)


def _note_tier(payment: Payment, waiters: Iterable[Waiter]) -> None:
    """Record how the payment's first result reaches the shopper, for the figures of the back office."""
    now, tier = timezone.now(), Payment.AnswerTier
    is_held = any(not waiter.operation and waiter.ends_at > now for waiter in waiters)
    payment.answer_tier = tier.HELD if is_held else tier.PUSHED if payment.is_watched else tier.POLLED
    update_in_batch(payment, "answer_tier")


def reply_with_state(payment: Payment, waiters: Iterable[Waiter], message: Message) -> None:
    """Send the payment's state to those of its ``waiters`` that wait for the payment; delete their rows."""
    told = PaymentStatusReply(payment=payment.reference, state=PaymentState(payment.state))
    _reply(payment, [waiter for waiter in waiters if not waiter.operation], told, message)


def _tell_of_operation(payment: Payment, reference: str, waiters: Iterable[Waiter], message: Message) -> None:
    waiting = [waiter for waiter in waiters if waiter.operation == reference]
    told = _news_of(payment, reference) if waiting else None
    if told is not None:
        _reply(payment, waiting, told, message)


def _news_of(payment: Payment, reference: str) -> OperationStatusReply | None:
    """Return the state of an operation as a reply; None if the provider has not answered about it."""
    found = Operation.objects.filter(reference=reference, payment_id=payment.pk)
    state = found.values_list("state", flat=True).first()
    if state not in set(OperationNews):
        return None
    return OperationStatusReply(payment=payment.reference, operation=reference, state=OperationNews(state))


def _reply(
    payment: Payment,
    waiters: Sequence[Waiter],
    told: PaymentStatusReply | OperationStatusReply,
    message: Message,
) -> None:
    for waiter in waiters:
        message.reply_transient(waiter.reply_to, waiter.correlation_id, told)
    if waiters:
        delete_in_batch(*waiters)
        invalidate_rows(payment)


def _is_latest(saga: Saga, payment: Payment) -> bool:
    latest = latest_attempt(payment)
    return latest is not None and latest.pk == saga.attempt_id


def _waiters(payment: Payment) -> list[Waiter]:
    return read_once(payment, "waiters", _WAITERS.all)


_WAITERS = Compiled(lambda payment: Waiter.objects.filter(payment_id=payment))
