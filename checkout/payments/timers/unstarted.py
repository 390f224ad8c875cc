"""End attempts whose purchase never began, because its first command was lost or is a dead letter."""

from django.db import transaction
from django.db.models import Exists, OuterRef

from checkout.conf import conf
from checkout.payments.checkout_messages import AnnouncePayment
from checkout.payments.events import move_attempt, move_payment
from checkout.payments.models import Attempt, Fact, Payment, Saga
from checkout.payments.models.messages import send_to_checkout
from checkout.payments.providers.base import RefusalReason
from checkout.payments.timers.timer import BATCH
from checkout.states import Actor, AttemptState, PaymentState
from messaging.outbox.clock import server_time


@transaction.atomic
def give_up_unstarted() -> int:
    """End attempts whose purchase has not begun within ``conf.service_wait``. Return their number.

    Before a purchase begins, no service is asked, so no money can have moved, and the shopper may try again.
    If the command arrives later, it finds that the attempt has ended.
    """
    # The database's clock is used, because a new attempt would seem old to a process with a fast clock.
    long_ago = server_time() - conf.service_wait
    begun = Saga.objects.filter(attempt=OuterRef("pk"))
    waiting = Attempt.objects.filter(
        ~Exists(begun), payment=OuterRef("pk"), state=AttemptState.CREATED, created_at__lt=long_ago
    )
    payments = (
        Payment.objects.select_related("merchant")
        .filter(Exists(waiting), state=PaymentState.PROCESSING, updated_at__lt=long_ago)
        .select_for_update(skip_locked=True, of=("self",), no_key=True)
    )
    return sum(_give_up(payment) for payment in payments.order_by("updated_at")[:BATCH])


def _give_up(payment: Payment) -> bool:
    attempt = payment.attempts.select_for_update(no_key=True).order_by("-number").first()
    if attempt is None or attempt.state != AttemptState.CREATED or attempt.sagas.exists():
        return False
    attempt.refusal_reason = RefusalReason.PROVIDER_ERROR
    move_attempt(payment, attempt, "not_sent", Actor.SAGA, "refusal_reason")
    if attempt.called_off_at is not None:
        move_payment(payment, "cancelled", Actor.SAGA)
    else:
        move_payment(payment, "refused", Actor.SAGA, refusal_reason=RefusalReason.PROVIDER_ERROR)
    data = {"state": payment.state, "attempt": attempt.order_code}
    Fact.objects.create(payment=payment, attempt=attempt, source=Actor.CLOCK, kind="never_begun", data=data)
    send_to_checkout(AnnouncePayment(payment=payment.reference), payment.reference)
    return True
