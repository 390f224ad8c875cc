"""Orders that were given up because all of their money had gone back, after some of it came back."""

from checkout.payments.checkout_messages import ReviewOrder
from checkout.payments.locking import locked_payment_of
from checkout.payments.models import Attempt, Saga
from checkout.payments.sagas.orchestration import orchestrator
from checkout.payments.sagas.orchestration.locking import sagas_of_payment
from checkout.payments.sagas.purchase.flow import Purchase
from checkout.payments.sagas.signals import Signal
from checkout.payments.totals import sums_of_attempt
from checkout.states import PaymentState
from messaging.worker.service import Message

# The time after which an order is looked at again whose purchase is still undoing something.
LATER_SECONDS = 60.0


def review_order(command: ReviewOrder, message: Message) -> None:
    """Park the purchase of money that came back, for staff, unless another one has confirmed the order.

    A charge-back was reversed, or a refund has failed: the money is the merchant's, and the stock has been
    given back.
    """
    attempt = Attempt.objects.filter(payment__reference=command.payment).first()
    if attempt is None:
        return
    purchases = [saga for saga in sagas_of_payment(attempt) if saga.kind == Purchase.kind]
    payment = locked_payment_of(attempt)
    if not PaymentState(payment.state).is_paid:
        return
    statuses = {saga.status for saga in purchases}
    if Saga.Status.RUNNING in statuses:
        message.send(*command.address, command, reply_to="", delay_seconds=LATER_SECONDS)
    elif statuses == {Saga.Status.COMPENSATED}:
        for purchase in purchases:
            if sums_of_attempt(purchase.attempt).left_to_charge_back:
                orchestrator.signal(purchase, Signal.MONEY_RETURNED, message, payment)
