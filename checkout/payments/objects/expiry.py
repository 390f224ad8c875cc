"""The times at which the gateway expires or voids a payment by itself, if nothing else happens before.

The timers ``abandoned`` and ``authorisations`` do this a little later.
"""

from collections.abc import Iterable
from datetime import datetime

from checkout.conf import conf
from checkout.payments.models.payment import Operation, Payment
from checkout.states import PaymentState

# The prefix of the idempotency keys of voids that the timer has requested.
VOID_BY_CLOCK = "authorisation_expired"


def unpaid_until(payment: Payment) -> datetime | None:
    """Return the time at which an unpaid payment expires; None if the payment is not waiting to be paid.

    If the payment has no ``expires_at``, it expires when it was not changed for ``conf.checkout_lifetime``.
    """
    if not PaymentState(payment.state).may_be_paid:
        return None
    return payment.expires_at or payment.updated_at + conf.checkout_lifetime


def capture_before(payment: Payment, operations: Iterable[Operation]) -> datetime | None:
    """Return the time at which the authorisation is voided; None if the gateway will not void it.

    ``operations`` are the payment's operations. The gateway does not void an authorisation if a capture or
    void of it is under way or was made. It voids an authorisation only once: if the void was refused, the
    provider ends the authorisation.
    """
    if payment.state != PaymentState.AUTHORISED:
        return None
    for each in operations:
        if each.state != Operation.State.REFUSED or each.idempotency_key.startswith(VOID_BY_CLOCK):
            return None
    return payment.held_since + conf.authorisation_lifetime if payment.held_since else None
