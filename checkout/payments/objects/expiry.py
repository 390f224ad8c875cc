"""The times at which the gateway ends a payment by itself, if nothing else happens until then.

They are those of the timers ``abandoned`` and ``authorisations``, which act a little later.
"""

from collections.abc import Iterable
from datetime import datetime

from checkout.conf import conf
from checkout.payments.models.payment import Operation, Payment
from checkout.states import PaymentState

# The beginning of the idempotency keys of voids that the timer has requested.
VOID_BY_CLOCK = "authorisation_expired"


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
    return payment.held_since + conf.authorisation_lifetime if payment.held_since else None
