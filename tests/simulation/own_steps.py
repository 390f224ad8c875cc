"""The invariant of own steps, for schedules with ``CHECKOUT_OWN_APPS=tests.support.loyalty``."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from checkout.conf import conf
from checkout.states import AttemptState, PaymentState

if TYPE_CHECKING:
    from tests.simulation.invariants import Ledgers

APP = "tests.support.loyalty"
# Payments for which both steps must have been taken. A refunded payment was paid before.
TAKEN = tuple(state for state in PaymentState if state.is_paid)
UNDONE = (PaymentState.REFUSED, PaymentState.EXPIRED, PaymentState.CANCELLED, PaymentState.VOIDED)


def check(books: "Ledgers") -> Iterator[str]:
    """Yield points that were held or awarded twice, or not at all, or for a payment that was not made."""
    if APP not in conf.own_apps:
        return
    for attempt, payment, state, is_held, is_awarded, holds, awards, undone in books.rows(
        "SELECT a.order_code, p.state, a.state, l.is_held, l.is_awarded, l.holds, l.awards, "
        "s.data ->> 'own_undone' "
        "FROM payments_attempt a JOIN payments_payment p ON p.id = a.payment_id "
        "JOIN payments_saga s ON s.attempt_id = a.id AND s.kind = 'purchase' "
        "LEFT JOIN loyalty_points l ON l.attempt = a.order_code"
    ):
        if (holds or 0) > 1 or (awards or 0) > 1:
            yield f"I2: the points of {attempt} were held {holds} times and awarded {awards} times"
        is_complete = undone or (is_held and is_awarded)
        if payment in TAKEN and state == AttemptState.AUTHORISED and not is_complete:
            yield f"I4: {attempt} is {payment}: points held {is_held}, awarded {is_awarded}"
        if (payment in UNDONE or state != AttemptState.AUTHORISED) and (is_held or is_awarded):
            yield f"I4: {attempt} is {payment}: points still held {is_held}, awarded {is_awarded}"
