"""Expire payments that were not paid in time."""

from django.db import transaction
from django.db.models import Exists, OuterRef, Q

from checkout.conf import conf
from checkout.payments.checkout_messages import AnnouncePayment
from checkout.payments.events import move_payment
from checkout.payments.models import Fact, Payment, Saga
from checkout.payments.models.messages import send_to_checkout
from checkout.payments.models.saga import UNFINISHED
from checkout.payments.timers.timer import BATCH
from checkout.states import Actor, PaymentState
from messaging.outbox.clock import server_time

WAITING_FOR_SHOPPER = (PaymentState.OPEN, PaymentState.REFUSED)


@transaction.atomic
def expire_abandoned() -> int:
    """Expire payments that are open or refused, and whose time is over.

    Their time is over at ``expires_at`` or, if that is None, when they were not changed for
    ``conf.checkout_lifetime``.

    A payment with a saga that has not ended is skipped, because it may still hold stock or be about to move.
    """
    at_work = Saga.objects.filter(payment=OuterRef("pk"), status__in=UNFINISHED)
    now = server_time()
    is_over = Q(expires_at__lte=now) | Q(expires_at__isnull=True, updated_at__lt=now - conf.checkout_lifetime)
    abandoned = Payment.objects.select_related("merchant").filter(
        is_over, ~Exists(at_work), state__in=WAITING_FOR_SHOPPER
    )
    payments = list(
        abandoned.select_for_update(skip_locked=True, of=("self",), no_key=True).order_by("updated_at")[
            :BATCH
        ]
    )
    for payment in payments:
        Fact.objects.create(
            payment=payment, source=Actor.CLOCK, kind="abandoned", data={"state": payment.state}
        )
        move_payment(payment, "expired", Actor.CLOCK)
        send_to_checkout(
            AnnouncePayment(payment=payment.reference),
            payment.reference,
        )
    return len(payments)
