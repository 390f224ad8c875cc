"""Refuse to erase a payment while anything about it is under way.

A payment's messages are deleted with it, and a service does not carry out a command that is no longer in the
outbox. A published command may still be in a queue. Only an inbox shows that it was handled.
"""

from django.db.models import TextField
from django.db.models.functions import Cast
from django.utils import timezone

from checkout.conf import conf
from checkout.database.owners import databases
from checkout.errors import OperationRejected
from checkout.ledger.messages import PostEntries
from checkout.payments.models import (
    DeadLetter,
    InboxMessage,
    OutboxMessage,
    Payment,
    ProviderNotification,
)
from checkout.payments.models.messages import OPEN_LETTER
from checkout.payments.models.saga import UNFINISHED, operations_without_saga
from checkout.payments.postings import is_posting
from checkout.states import PaymentState
from messaging.topology import Topology

# The services of this app. Other services may be programs of the merchant, with inboxes elsewhere.
_OURS = ("checkout", "payments")
AGAIN = "Try again in a moment."


def require_nothing_pending(payment: Payment) -> None:
    """Raise ``OperationRejected`` while anything about a locked payment is under way, or waits for staff."""
    state = PaymentState(payment.state)
    if state.may_be_paid:
        raise OperationRejected("The payment may still be paid. Cancel it first.")
    is_moving = payment.sagas.filter(status__in=UNFINISHED).exists()
    if is_moving or _is_sending(payment) or not state.is_decided:
        raise OperationRejected("The payment has a flow that is under way, or that waits for staff.")
    if DeadLetter.objects.filter(OPEN_LETTER, subject=payment.reference).exists():
        raise OperationRejected("A step of the payment failed, and waits for staff.")
    require_that_all_is_handled(payment)


def _is_sending(payment: Payment) -> bool:
    """Return True if an outbox has a message about the payment that was not sent yet."""
    owed = OutboxMessage.objects.filter(subject=payment.reference, published_at=None)
    return any(owed.using(database).exists() for database in databases())


def require_that_all_is_handled(payment: Payment) -> None:
    """Raise ``OperationRejected`` while a service still has work for a payment whose sagas have ended."""
    if _is_to_begin(payment):
        raise OperationRejected(f"An operation of the payment has not begun yet. {AGAIN}")
    if _is_notified(payment):
        raise OperationRejected(f"A notification about the payment has not been applied yet. {AGAIN}")
    if type := _unhandled(payment):
        raise OperationRejected(f"The command {type} about the payment has not been handled yet. {AGAIN}")
    if is_posting(payment.reference):
        raise OperationRejected(f"The ledger has not posted everything about the payment yet. {AGAIN}")


def _is_notified(payment: Payment) -> bool:
    """Return True if a notification that names an order of the payment waits to be applied.

    Its command is under way, or is written within seconds.
    """
    unseen = ProviderNotification.objects.filter(
        state=ProviderNotification.State.RECEIVED, next_try_at__isnull=False
    )
    unseen = unseen.annotate(said=Cast("statements", TextField()))
    orders = payment.attempts.values_list("order_code", flat=True)
    return any(unseen.filter(said__contains=order).exists() for order in orders)


def _is_to_begin(payment: Payment) -> bool:
    # A saga that has begun since the first check may still be running.
    ended = payment.sagas.exclude(status__in=UNFINISHED).order_by()
    return operations_without_saga(payment.operations.order_by(), ended).exists()


def _unhandled(payment: Payment) -> str:
    """Return the type of a command that no service has handled yet; empty if there is none.

    A command whose dead letter staff have dealt with is left out: it will not be handled. Postings are
    checked in the ledger instead. Commands older than ``conf.retention`` are ignored, because inboxes no
    longer contain them.
    """
    sent = OutboxMessage.objects.filter(
        subject=payment.reference,
        exchange=Topology(conf.prefix).commands,
        created_at__gt=timezone.now() - conf.retention,
    ).exclude(type=PostEntries.to)
    open_ = {row[:2]: row[2] for row in sent.values_list("routing_key", "message_id", "type")}
    # The outbox is read before the inboxes: a command that is handled in between is then in an inbox.
    for database in databases():
        handled = InboxMessage.objects.using(database).filter(subject=payment.reference)
        for known in handled.values_list("consumer", "message_id"):
            open_.pop(known, None)
    if not open_:
        return ""
    letters = DeadLetter.objects.filter(message_id__in=[message_id for _, message_id in open_])
    dealt_with = letters.filter(requeued_at=None, dealt_with_at__isnull=False)
    done = set(dealt_with.values_list("message_id", flat=True))
    left = ((service, type) for (service, message_id), type in open_.items() if message_id not in done)
    return next((type for service, type in left if service in _OURS or _has_inbox(service)), "")


def _has_inbox(service: str) -> bool:
    """Return True if a service records handled messages in one of our databases."""
    return any(
        InboxMessage.objects.using(database).filter(consumer=service).exists() for database in databases()
    )
