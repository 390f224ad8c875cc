"""When the relay's timers next have something to do: lets the loop jump over polls that would find nothing.

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


# Both timers want it to be over, not just reached.
_LIFETIMES = {
    "abandoned payments": conf.checkout_lifetime.total_seconds() + 1e-3,
    "expired authorisations": conf.authorisation_lifetime.total_seconds() + 1e-3,
}


class Timetable:
    """Looks it up in the tables, again after every change of them."""

    def __init__(self, database: sqlite3.Connection, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._known: dict[str, float | None] = {}
        self._changes = -1

    def next_due(self, timer: str) -> float | None:
        """Return the first moment at which a timer has something to do; None when nothing is in sight."""
        if self._changes != self._database.total_changes:
            self._changes = self._database.total_changes
            self._known.clear()
        if timer not in self._known:
            self._known[timer] = self._look_up(timer)
        return self._known[timer]

    def _look_up(self, timer: str) -> float | None:
        query = _NEXT[timer]
        moment = self._clock.seconds_until(self._database.execute(query).fetchone()[0]) if query else None
        return None if moment is None else moment + _LIFETIMES.get(timer, 0.0)
