"""Invariant I5: the transaction that makes an operation done or refused also writes its evidence."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.simulation.world import World

# The triggers call ``fact_is_written`` and ``operation_ends`` of the schedule's ``ProofWatch``.
TRIGGERS = """
CREATE TEMP TRIGGER fact_is_written AFTER INSERT ON main.payments_fact WHEN new.attempt_id IS NOT NULL
BEGIN SELECT fact_is_written(new.attempt_id); END;
CREATE TEMP TRIGGER operation_ends AFTER UPDATE OF state ON main.payments_operation
WHEN old.state <> new.state AND new.state IN ('done', 'refused')
BEGIN SELECT operation_ends(new.reference, new.state, new.attempt_id); END;
"""

_AS_STAFF_SAID = """
SELECT 1 FROM payments_operation o WHERE o.reference = ?1 AND (o.state <> ?2 OR EXISTS (
SELECT 1 FROM payments_fact f WHERE f.attempt_id = o.attempt_id AND f.source = 'staff'
AND f.kind = 'operation_settled_by' AND f.data ->> 'reference' = o.reference))
"""


class ProofWatch:
    """A check that operations end with evidence: the facts and the ended operations of this transaction.

    ``TRIGGERS`` report both. If staff decide, the fact was written by an earlier transaction, which recorded
    their decision and sent the command; that fact counts, too.
    """

    def __init__(self, world: "World") -> None:
        self._world = world
        self._attempts: set[int] = set()
        self._ended: list[tuple[str, str, int]] = []

    def fact_is_written(self, attempt: int) -> None:
        """Record that a fact about an attempt (its primary key) was written."""
        self._attempts.add(attempt)

    def operation_ends(self, reference: str, state: str, attempt: int) -> None:
        """Record that an operation of an attempt (its primary key) has become done or refused."""
        self._ended.append((reference, state, attempt))

    def transaction_ends(self) -> None:
        """Report each ended operation without a fact, unless staff decided it or a rollback undid its end."""
        for reference, state, attempt in self._ended:
            if attempt in self._attempts:
                continue
            excused = self._world.rows.execute(_AS_STAFF_SAID, (reference, state)).fetchone()
            if excused is None:
                self._world.violations.append(f"I5: {reference} became {state} without any evidence")
        self._ended.clear()
        self._attempts.clear()
