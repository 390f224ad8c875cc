"""Refusals in doubt: the provider denied knowing an order, and has notified money of it since.

The provider shows some orders only hours later (decision 43). Until the provider or staff have said if the
money is held, the payment is not called refused, and nothing is sent for a later attempt.
"""

from checkout.payments.models import Attempt, Payment, Saga
from checkout.payments.models.saga import UNFINISHED
from checkout.payments.providers.base import EventKind, RefusalReason
from checkout.payments.sagas.asking import Asking
from checkout.payments.sagas.movement import move_payment_if_allowed
from checkout.states import ENDED_WITHOUT_MONEY, Actor, AttemptState, PaymentState
from messaging.compiled_queries import Compiled
from messaging.worker.service import Message

# From the provider's confirmation on, the attempt is conflicted; its payment is only a moment later.
_DENIED_AND_NOTIFIED = Compiled(
    lambda payment: (
        Saga.objects.only("pk")
        .filter(
            payment_id=payment,
            attempt__state__in=(AttemptState.NOT_SENT, AttemptState.CONFLICTED),
            kind=Asking.kind,
            status__in=UNFINISHED,
            data__claim=EventKind.AUTHORISED,
            data__is_proven=True,
        )
        .order_by()
    )
)


def may_hold_money_after_all(payment: Payment) -> bool:
    """Return True while the provider is being asked about an order that it first denied, then notified."""
    return _DENIED_AND_NOTIFIED.first(payment.pk) is not None


def doubt_refusal(payment: Payment, message: Message) -> None:
    """Set a refused payment to unknown again if one of its orders may hold money after all.

    The reason of the refusal is kept for ``refuse_again``.
    """
    if payment.state == PaymentState.REFUSED and may_hold_money_after_all(payment):
        reason = payment.refusal_reason
        move_payment_if_allowed(payment, "refusal_doubted", Actor.SAGA, message, refusal_reason=reason)


def refuse_again(payment: Payment, message: Message) -> None:
    """Set a payment whose refusal was in doubt to refused again.

    Nothing changes if another order of the payment is still in doubt, or may be paid.
    """
    if payment.state != PaymentState.CONFIRMING or may_hold_money_after_all(payment):
        return
    if not Attempt.objects.filter(payment=payment).exclude(state__in=ENDED_WITHOUT_MONEY).exists():
        reason = payment.refusal_reason or RefusalReason.PROVIDER_ERROR
        move_payment_if_allowed(payment, "refused", Actor.SAGA, message, refusal_reason=reason)
