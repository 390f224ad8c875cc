"""Orders that were given up because all of their money had gone back, after some of it came back."""

from checkout.payments.checkout_messages import ReviewOrder
from checkout.payments.locking import locked_payment_of
from checkout.payments.models import Attempt, Payment, Saga
from checkout.payments.sagas.orchestration import orchestrator
from checkout.payments.sagas.orchestration.locking import sagas_of_payment
from checkout.payments.sagas.purchase.data import UNDO, At
from checkout.payments.sagas.purchase.flow import Purchase
from checkout.payments.sagas.signals import Signal
from checkout.payments.totals import WITH_MONEY, sums_of, sums_of_attempt
from messaging.worker.service import Message

# The time after which an order is looked at again whose purchase is still undoing something.
LATER_SECONDS = 600.0


def review_order(command: ReviewOrder, message: Message) -> None:
    """Park the purchase of money that came back, for staff, unless another one has confirmed the order.

    A charge-back was reversed, or a refund has failed: the money is the merchant's, and the stock has been
    given back. A payment that contradicts us is looked at when that has been resolved.
    """
    attempt = Attempt.objects.filter(payment__reference=command.payment).first()
    if attempt is None:
        return
    purchases = [saga for saga in sagas_of_payment(attempt) if saga.kind == Purchase.kind]
    payment = locked_payment_of(attempt)
    if payment.state not in WITH_MONEY or not all(map(_is_given_up, purchases)):
        return
    if any(each.status != Saga.Status.COMPENSATED for each in purchases):
        message.send(*command.address, command, reply_to="", delay_seconds=LATER_SECONDS)
        return
    for purchase in purchases:
        if sums_of_attempt(purchase.attempt).left_to_charge_back:
            orchestrator.signal(purchase, Signal.MONEY_RETURNED, message, payment)


def waits_for_refund(saga: Saga, payment: Payment) -> bool:
    """Return True for a purchase that would confirm its order although all of its money is being refunded."""
    is_to_confirm = saga.kind == Purchase.kind and saga.step in (At.CONFIRM_ORDER, At.MONEY_RETURNED)
    return is_to_confirm and sums_of(payment).is_all_being_refunded


def _is_given_up(purchase: Saga) -> bool:
    """Return True if a purchase has undone what it did, or is doing so."""
    is_undoing = purchase.step in (At.RELEASE_STOCK, At.CANCEL_ORDER) or purchase.step.startswith(UNDO)
    return is_undoing or purchase.status == Saga.Status.COMPENSATED
