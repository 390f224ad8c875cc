"""Events that are committed after later ones, as on PostgreSQL, where transactions run side by side.

SQLite runs one transaction at a time. So keys are sometimes left out, as if transactions that are still open
had taken them. A later event gets such a key, if that transaction could have written the event. A key that no
event gets belongs to a transaction that was rolled back.
"""

from typing import TYPE_CHECKING

from checkout.payments.events import log
from tests.simulation.twin import Line

if TYPE_CHECKING:
    from tests.simulation.world import World

# Other rows refer to these keys only after the commit, so the keys can still change.
TRIGGER = """
CREATE TEMP TRIGGER event_is_written AFTER INSERT ON main.payments_event
BEGIN UPDATE payments_event SET id = key_of_event(new.id, COALESCE(
    (SELECT MAX(id) FROM payments_event WHERE payment_id = new.payment_id AND id <> new.id), 0))
    WHERE id = new.id; END;
"""


class LateCommits:
    """The keys of open transactions, each with the number of its transaction and the time of its end."""

    def __init__(self, world: "World") -> None:
        self._world = world
        self._next_transaction = 1
        self._open: dict[int, tuple[int, float]] = {}

    def key_of_event(self, drawn: int, last_of_payment: int) -> int:
        """Return the key of an event that is being written: its own, or an earlier or later one.

        The events of a payment are written under its lock, so their keys ascend.
        """
        self._end_transactions()
        earlier = [key for key in self._open if last_of_payment < key < drawn]
        if earlier:
            key = earlier[0]
            self._world.chance.count("commit_late")
        else:
            key = drawn + self._world.chance.keys_left_out()
        for left_out in range(drawn, key):
            until = self._world.clock.now + self._world.chance.open_seconds()
            self._open[left_out] = self._next_transaction, until
            self._next_transaction += 1
        self._open.pop(key, None)
        if key != drawn:
            self._world.trace.note("database", "gives an event the key", key, "instead of", drawn)
        return key

    def transactions(self) -> tuple[int, int]:
        """Return the number of the oldest open transaction, and that of the next transaction to begin."""
        self._end_transactions()
        under_way = [transaction for transaction, _ in self._open.values()]
        return min(under_way, default=self._next_transaction), self._next_transaction

    def _end_transactions(self) -> None:
        now = self._world.clock.now
        self._open = {key: (number, until) for key, (number, until) in self._open.items() if until > now}


def take_over() -> None:
    """Replace the database's open transactions, for the log of events, by those of the running schedule."""
    log._transactions = lambda: Line.world.late_commits.transactions()
