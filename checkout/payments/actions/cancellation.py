"""Cancel an unpaid payment."""

from django.db import transaction

from checkout.payments.checkout_messages import AnnouncePayment
from checkout.payments.events import move_payment
from checkout.payments.locking import get_payment_for_update
from checkout.payments.models import Fact, Merchant
from checkout.payments.models.messages import send_to_checkout
from checkout.states import Actor


@transaction.atomic
def cancel_payment(reference: str, *, by: str, merchant: Merchant | None = None) -> None:
    """Cancel a payment that is open or refused, so that it can no longer be paid.

    ``merchant`` is the merchant whose program asks. Without it, staff ask. Raises ``PaymentNotFound``, and
    ``IllegalTransition`` for a payment in any other state.
    """
    payment = get_payment_for_update(reference, merchant)
    actor = Actor.STAFF if merchant is None else Actor.MERCHANT
    move_payment(payment, "cancelled", actor)
    Fact.objects.create(payment=payment, source=actor, kind="cancelled", data={"by": by})
    send_to_checkout(AnnouncePayment(payment=payment.reference), payment.reference)
