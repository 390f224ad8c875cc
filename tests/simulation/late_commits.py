"""Events that are committed after later ones, as on PostgreSQL, where transactions run side by side.

SQLite has one transaction at a time. So now and then keys are left out, as if transactions that are still
open had drawn them. A later event gets such a key, if that transaction may have written it. A key that no
event gets was drawn in vain, because its transaction was rolled back.
"""

from typing import TYPE_CHECKING

from checkout.payments.events import log
from tests.simulation.twin import Line

if TYPE_CHECKING:
    from tests.simulation.world import World

# The rows do not learn their keys before the commit, so these can still change.
TRIGGER = """
CREATE TEMP TRIGGER event_is_written AFTER INSERT ON main.payments_event
BEGIN UPDATE payments_event SET id = key_of_event(new.id, COALESCE(
    (SELECT MAX(id) FROM payments_event WHERE payment_id = new.payment_id AND id <> new.id), 0))
    WHERE id = new.id; END;
"""


class LateCommits:
    """The keys that open transactions have drawn, each with its transaction and the end of that."""

    def __init__(self, world: "World") -> None:
        self._world = world
        self._next_transaction = 1
        self._open: dict[int, tuple[int, float]] = {}

    def key_of_event(self, drawn: int, last_of_payment: int) -> int:
        """Return the key of an event that is being written: the one it has drawn, or an earlier or later one.

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
        """Return the oldest transaction that has not ended, and the next one."""
        self._end_transactions()
        under_way = [transaction for transaction, _ in self._open.values()]
        return min(under_way, default=self._next_transaction), self._next_transaction

    def _end_transactions(self) -> None:
        now = self._world.clock.now
        self._open = {key: (number, until) for key, (number, until) in self._open.items() if until > now}


def take_over() -> None:
    """Show the log of events the transactions of the schedule that is running."""
    log._transactions = lambda: Line.world.late_commits.transactions()
