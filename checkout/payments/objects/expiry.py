"""The times at which the gateway ends a payment by itself, if nothing else happens until then.

They are those of the timers ``abandoned`` and ``authorisations``, which act a little later.
"""

from collections.abc import Iterable
from datetime import datetime

from django.db.models import Min

from checkout.conf import conf
from checkout.payments.locking import read_once
from checkout.payments.models.payment import Fact, Operation, Payment
from checkout.states import HOLDING, PaymentState
from messaging.compiled_queries import Compiled

# The beginning of the idempotency keys of voids that the timer has requested.
VOID_BY_CLOCK = "authorisation_expired"

_HELD = Compiled(
    lambda payment: (
        Fact.objects.filter(payment_id=payment, kind__in=HOLDING)
        .only("recorded_at")
        .order_by("recorded_at")[:1]
    )
)
_KNOWN_AS = "held_since"


def unpaid_until(payment: Payment) -> datetime | None:
    """Return the time at which an unpaid payment expires; None if the payment is not waiting to be paid.

    Without a time of its own, that is when it has been left alone for ``conf.checkout_lifetime``.
    """
    if not PaymentState(payment.state).may_be_paid:
        return None
    return payment.expires_at or payment.updated_at + conf.checkout_lifetime


def capture_before(payment: Payment, operations: Iterable[Operation]) -> datetime | None:
    """Return the time at which the authorisation is voided; None if the gateway will not void it.

    ``operations`` are those that count. It does not while a capture or void is under way or was made, and
    does so only once: the end of an authorisation whose void was refused is the provider's.
    """
    if payment.state != PaymentState.AUTHORISED:
        return None
    for each in operations:
        if each.state != Operation.State.REFUSED or each.idempotency_key.startswith(VOID_BY_CLOCK):
            return None
    since = payment.held_since or _held_since(payment)
    return since + conf.authorisation_lifetime if since else None


def read_held_since(payments: Iterable[Payment]) -> None:
    """Read when earlier releases have authorised these payments, with one query for all."""
    unknown = [each for each in payments if each.state == PaymentState.AUTHORISED and not each.held_since]
    if unknown:
        facts = Fact.objects.filter(payment_id__in=[each.pk for each in unknown], kind__in=HOLDING)
        times = dict(facts.order_by().values_list("payment_id").annotate(Min("recorded_at")))
        for each in unknown:
            read_once(each, _KNOWN_AS, times.get)


def _held_since(payment: Payment) -> datetime | None:
    """Return the time of the authorisation of a payment that an earlier release has authorised."""
    return read_once(payment, _KNOWN_AS, _first_held)


def _first_held(payment: int) -> datetime | None:
    fact = _HELD.first(payment)
    return fact.recorded_at if fact else None
