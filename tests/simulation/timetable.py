"""The times at which the relay's timers have work, so that the loop can skip polls that would find nothing.

Entries have the names of the relay's tasks. Some tasks have no entry on purpose. Old messages, notifications,
events and answers of the API, and rows that are only counted, are deleted after a month or more, and no
schedule lasts that long. Figures and totals for staff move nothing. The books are compared at the end of each
schedule instead of every virtual hour. As there is only one clock, no message has a time in the future, and
the broker loses none. The secret key never changes, so no token or secret is sealed again. These tasks only
run when a relay starts, if there is a payment. The loop would never come to rest with a task that is not
named here.
"""

import asyncio
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.conf import settings

from checkout.conf import conf
from checkout.payments.events.log import EventLog
from checkout.running.relay import RARELY_SECONDS, SELDOM_SECONDS, SOON_SECONDS
from messaging.outbox.rows import OutboxRows
from tests.simulation.clock import Clock
from tests.simulation.database.base import DatabaseWrapper

INTERVALS: tuple[float, ...] = (
    settings.MESSAGING_RELAY_POLL_SECONDS,
    SOON_SECONDS,
    SELDOM_SECONDS,
    RARELY_SECONDS,
)
MARGIN_SECONDS = 1e-3

_ABANDONED = """
SELECT MIN(updated_at) FROM payments_payment p WHERE state IN ('open', 'refused') AND NOT EXISTS
(SELECT 1 FROM payments_saga s WHERE s.payment_id = p.id AND s.status IN ('running', 'parked'))
"""
_UNPUBLISHED = """
SELECT MAX(first, leased_until) FROM (
SELECT MIN(e.created_at) AS first, COALESCE(p.leased_until, '') AS leased_until FROM payments_event e
LEFT JOIN payments_eventposition p ON 1 WHERE e.id > COALESCE(p.last_pk, 0)
OR EXISTS (SELECT 1 FROM json_each(p.under_way) WHERE key = CAST(e.id AS TEXT)))
"""
_UNSTARTED = """
SELECT MIN(MAX(p.updated_at, a.created_at)) FROM payments_payment p
JOIN payments_attempt a ON a.payment_id = p.id
WHERE p.state = 'processing' AND a.state = 'created' AND NOT EXISTS
(SELECT 1 FROM payments_saga s WHERE s.attempt_id = a.id)
"""
_UNCAPTURED = """
SELECT MIN(p.held_since) FROM payments_payment p WHERE p.state = 'authorised' AND NOT EXISTS
(SELECT 1 FROM payments_operation o JOIN payments_attempt a ON a.id = o.attempt_id
WHERE o.payment_id = p.id AND (o.state <> 'refused' OR o.idempotency_key LIKE 'authorisation_expired%')
AND NOT (o.kind = 'void' AND a.state = 'refused'))
"""
_UNBEGUN = """
SELECT MIN(o.created_at) FROM payments_operation o JOIN payments_attempt a ON a.id = o.attempt_id
WHERE o.state <> 'refused' AND NOT EXISTS
(SELECT 1 FROM payments_saga s WHERE s.kind = o.kind AND s.key = o.reference)
AND NOT (o.reference = a.capture_reference AND EXISTS (SELECT 1 FROM payments_saga p
WHERE p.attempt_id = a.id AND p.kind = 'purchase' AND p.status = 'running'))
"""


@dataclass(frozen=True, slots=True)
class _Entry:
    """A query for the time of the first row, its tables, and the delay after which that row is due."""

    query: str
    tables: tuple[str, ...]
    after_seconds: float = 0.0


_ENTRIES = {
    "outbox": _Entry(
        "SELECT MIN(available_at) FROM payments_outboxmessage WHERE published_at IS NULL",
        ("payments_outboxmessage",),
    ),
    "events": _Entry(_UNPUBLISHED, ("payments_event", "payments_eventposition")),
    "deadlines": _Entry(
        "SELECT MIN(deadline_at) FROM payments_saga WHERE status = 'running'", ("payments_saga",)
    ),
    "unmatched notifications": _Entry(
        "SELECT MIN(next_try_at) FROM payments_providernotification", ("payments_providernotification",)
    ),
    "tokens to delete": _Entry(
        "SELECT MIN(deletion_due_at) FROM payments_savedcard", ("payments_savedcard",)
    ),
    # The following tasks need the time to have passed, not just to be reached, hence the margin.
    "attempts that never began": _Entry(
        _UNSTARTED,
        ("payments_payment", "payments_attempt", "payments_saga"),
        conf.service_wait.total_seconds() + MARGIN_SECONDS,
    ),
    "abandoned payments": _Entry(
        _ABANDONED,
        ("payments_payment", "payments_saga"),
        conf.checkout_lifetime.total_seconds() + MARGIN_SECONDS,
    ),
    "expired authorisations": _Entry(
        _UNCAPTURED,
        ("payments_payment", "payments_operation"),
        conf.authorisation_lifetime.total_seconds() + MARGIN_SECONDS,
    ),
    # Beginnings of operations. The simulated broker loses no posting.
    "commands that were lost": _Entry(
        _UNBEGUN,
        ("payments_operation", "payments_saga"),
        conf.service_wait.total_seconds() + MARGIN_SECONDS,
    ),
}
_ONLY_AT_THE_START = (
    "old messages",
    "old notifications",
    "old events",
    "answers of the API",
    "tokens under an earlier secret key",
    "secrets of authenticator apps",
    "what was counted",
    "figures",
    "totals of the ledger",
    "reconciliation",
    "messages from the future",
)
TIMERS = frozenset((*_ENTRIES, *_ONLY_AT_THE_START))


class Timetable:
    """The times at which the timers have work, read from the tables, and read again when these change."""

    def __init__(self, database: DatabaseWrapper, clock: Clock) -> None:
        self._rows = database.connection
        self._written = database.written
        self._clock = clock
        self._due = dict.fromkeys(_ENTRIES, math.inf)
        self._outdated: set[str] = set()

    def due(self, until: float) -> dict[str, float]:
        """Return the first time at which each timer has work; infinity if it has none.

        Times are exact only if they are before ``until``. A query with a delay longer than ``until`` is not
        run, because no row of this schedule can be due by then.
        """
        if self._written:
            self._outdated.update(
                name for name, entry in _ENTRIES.items() if not self._written.isdisjoint(entry.tables)
            )
            self._written.clear()
        if self._outdated:
            for name in [name for name in self._outdated if _ENTRIES[name].after_seconds < until]:
                self._due[name] = self._first_moment(_ENTRIES[name])
                self._outdated.remove(name)
        return self._due

    def spare(self, job: Callable[[], Any]) -> Any:
        """Return the result of this job without running it, if it is a poll that would find nothing.

        Return None if the job must be run, because it would find something or is no poll.
        """
        task = asyncio.current_task()
        name = task.get_name() if task is not None else ""
        if name not in TIMERS or self._has_something(name):
            return None
        if name not in ("outbox", "events"):
            return 0
        look = getattr(getattr(job, "func", None), "__func__", None)
        return [] if look in (OutboxRows.take, EventLog.take) else None

    def _has_something(self, name: str) -> bool:
        if name in _ENTRIES:
            return self.due(math.inf)[name] <= self._clock.now
        return self._rows.execute("SELECT 1 FROM payments_payment").fetchone() is not None

    def _first_moment(self, entry: _Entry) -> float:
        moment = self._clock.seconds_until(self._rows.execute(entry.query).fetchone()[0])
        return math.inf if moment is None else moment + entry.after_seconds
