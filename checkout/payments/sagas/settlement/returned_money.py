"""Orders that were given up because all of their money went back, before some of it returned to us."""

import structlog

from checkout.payments.checkout_messages import ReviewOrder
from checkout.payments.locking import locked_payment_of
from checkout.payments.models import Attempt, Payment, Saga
from checkout.payments.sagas.orchestration import orchestrator
from checkout.payments.sagas.orchestration.locking import sagas_of_payment
from checkout.payments.sagas.purchase.data import UNDO, At, with_taken
from checkout.payments.sagas.purchase.flow import Purchase
from checkout.payments.sagas.signals import Signal
from checkout.payments.totals import WITH_MONEY, is_given_back, sums_of, sums_of_attempt
from checkout.states import PaymentState
from messaging.worker.service import Message

log = structlog.get_logger(__name__)

# The time after which an order is looked at again, while its purchase is still undoing steps.
LATER_SECONDS = 600.0


def review_order(command: ReviewOrder, message: Message) -> None:
    """Park the purchase of money that came back, for staff, unless another purchase has confirmed the order.

    The money came back because a charge-back was reversed or a refund failed: it is the merchant's, but the
    stock was given back. A conflicted payment is looked at once its conflict is resolved.
    """
    attempt = Attempt.objects.filter(payment__reference=command.payment).first()
    if attempt is None:
        return
    purchases = [saga for saga in sagas_of_payment(attempt) if saga.kind == Purchase.kind]
    payment = locked_payment_of(attempt)
    kept = [each for each in purchases if sums_of_attempt(each.attempt).left_to_charge_back]
    if not kept or payment.state not in WITH_MONEY or not all(map(_is_given_up, purchases)):
        return
    if any(each.status != Saga.Status.COMPENSATED for each in purchases):
        message.send(*command.address, command, reply_to="", delay_seconds=LATER_SECONDS)
        return
    for purchase in kept:
        if not orchestrator.takes(purchase, Signal.MONEY_RETURNED):
            log.error("money came back, and its purchase cannot be parked", saga=purchase.pk)
        orchestrator.signal(purchase, Signal.MONEY_RETURNED, message, payment)


def obstacle_to_confirming(saga: Saga, payment: Payment) -> str:
    """Return why the order of a parked purchase must not be confirmed now; empty if it may be."""
    if saga.kind != Purchase.kind or saga.step not in (At.CONFIRM_ORDER, At.MONEY_RETURNED):
        return ""
    if payment.state == PaymentState.CONFLICTED:
        return "The payment contradicts us. Settle that first, then try again."
    if sums_of(payment).is_all_being_refunded and not is_given_back(payment):
        return "All of the money is being refunded. Try again when the refund has ended."
    return ""


def decided_by_staff(purchase: Saga, message: Message, payment: Payment) -> None:
    """Have the order of a purchase confirmed if some money is kept; otherwise end the purchase.

    The receipt is for the amount that was captured.
    """
    sums = sums_of_attempt(purchase.attempt)
    if sums.left_to_charge_back:
        purchase.data = with_taken(purchase.data, sums.captured)
        orchestrator.resume(purchase, message)
    else:
        orchestrator.signal(purchase, Signal.GIVEN_BACK, message, payment)


def _is_given_up(purchase: Saga) -> bool:
    """Return True if a purchase has undone its steps, or is undoing them."""
    is_undoing = purchase.step in (At.RELEASE_STOCK, At.CANCEL_ORDER) or purchase.step.startswith(UNDO)
    return is_undoing or purchase.status == Saga.Status.COMPENSATED
