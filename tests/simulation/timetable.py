"""When something becomes due for the relay's timers: what lets the loop jump over polls that find nothing."""

import sqlite3

from tests.simulation.clock import Clock

_NEXT = (
    "SELECT MIN(available_at) FROM checkout_outboxmessage WHERE published_at IS NULL",
    "SELECT MIN(deadline_at) FROM checkout_saga WHERE status = 'running'",
)


def next_due(database: sqlite3.Connection, clock: Clock) -> float | None:
    """Return the first moment at which a poll has something to do; None when there is nothing in sight."""
    moments = [clock.seconds_until(database.execute(query).fetchone()[0]) for query in _NEXT]
    known = [moment for moment in moments if moment is not None]
    return min(known) if known else None
