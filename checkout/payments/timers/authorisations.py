"""Void authorisations that were never captured, before they expire at the issuer."""

import structlog
from django.db.models import Exists, OuterRef, Q

from checkout.conf import conf
from checkout.errors import OperationRejected
from checkout.payments import actions
from checkout.payments.actions.modification import BY_CLOCK
from checkout.payments.models import Operation, Payment
from checkout.payments.objects.expiry import VOID_BY_CLOCK
from checkout.payments.timers.timer import BATCH
from checkout.states import AttemptState, PaymentState
from messaging.outbox.clock import server_time

log = structlog.get_logger(__name__)


def void_expired() -> int:
    """Request a void of every authorisation older than ``conf.authorisation_lifetime`` without captures.

    This is done once for each attempt. After a refused void, the provider must report the end of the
    authorisation. Each attempt has its own idempotency key, so that two relays that find the same payment
    make only one request.
    """
    long_ago = server_time() - conf.authorisation_lifetime
    # The void of a released attempt says nothing about the money that another attempt holds.
    of_released = Q(kind=Operation.Kind.VOID, attempt__state=AttemptState.REFUSED)
    of_payment = Operation.objects.filter(payment=OuterRef("pk")).exclude(of_released)
    references = Payment.objects.filter(
        ~Exists(of_payment.exclude(state=Operation.State.REFUSED)),
        ~Exists(of_payment.filter(idempotency_key__startswith=VOID_BY_CLOCK)),
        state=PaymentState.AUTHORISED,
        held_since__lt=long_ago,
    ).values_list("reference", flat=True)
    return sum(_void(reference) for reference in references[:BATCH])


def _void(reference: str) -> bool:
    released = Operation.objects.filter(
        attempt__state=AttemptState.REFUSED, idempotency_key__startswith=VOID_BY_CLOCK
    )
    earlier = released.filter(payment__reference=reference).count()
    key = f"{VOID_BY_CLOCK}_{earlier + 1}" if earlier else VOID_BY_CLOCK
    try:
        actions.request_void(reference, by=BY_CLOCK, idempotency_key=key, reason="nobody has captured it")
    except OperationRejected as rejection:
        # The payment was captured or voided in the meantime.
        log.info("authorisation not given back", payment=reference, reason=str(rejection))
        return False
    return True
