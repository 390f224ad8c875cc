"""When the relay's timers next have something to do: what lets the loop jump over polls that would find nothing.

By the names of the relay's tasks. Two are missing on purpose: old messages are forgotten after a month, which
no schedule lasts, and the books are compared at the end of each instead of every virtual hour.
"""

import sqlite3

from django.conf import settings

from checkout.conf import conf
from checkout.relay import SELDOM_SECONDS
from tests.simulation.clock import Clock

INTERVALS: tuple[float, ...] = (settings.CHECKOUT_RELAY_POLL_SECONDS, SELDOM_SECONDS)

_ABANDONED = """
SELECT MIN(updated_at) FROM checkout_payment p WHERE state IN ('open', 'refused') AND NOT EXISTS
(SELECT 1 FROM checkout_saga s WHERE s.payment_id = p.id AND s.status IN ('running', 'parked'))
"""
_UNCAPTURED = """
SELECT MIN(f.recorded_at) FROM checkout_fact f JOIN checkout_payment p ON p.id = f.payment_id
WHERE f.kind = 'authorised' AND p.state = 'authorised' AND NOT EXISTS (SELECT 1 FROM checkout_operation o
WHERE o.payment_id = p.id AND (o.state <> 'refused' OR o.idempotency_key = 'authorisation_expired'))
"""
_NEXT = {
    "outbox": "SELECT MIN(available_at) FROM checkout_outboxmessage WHERE published_at IS NULL",
    "deadlines": "SELECT MIN(deadline_at) FROM checkout_saga WHERE status = 'running'",
    "unmatched notifications": "SELECT MIN(next_try_at) FROM checkout_providernotification",
    "abandoned payments": _ABANDONED,
    "expired authorisations": _UNCAPTURED,
    "retention": "",
    "reconciliation": "",
}
TIMERS = frozenset(_NEXT)


def next_due(timer: str, database: sqlite3.Connection, clock: Clock) -> float | None:
    """Return the first moment at which a timer has something to do; None when there is nothing in sight."""
    query = _NEXT[timer]
    moment = clock.seconds_until(database.execute(query).fetchone()[0]) if query else None
    return None if moment is None else moment + _lifetimes().get(timer, 0.0)


def _lifetimes() -> dict[str, float]:
    # Both timers want it to be over, not just reached.
    return {
        "abandoned payments": conf.checkout_lifetime.total_seconds() + 1e-3,
        "expired authorisations": conf.authorisation_lifetime.total_seconds() + 1e-3,
    }
