"""Plans of the bank, with their times: requested bookings, settlements, disputes.

A plan is done if an entry of the books settles it.
"""

import json
import sqlite3
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from sandbox.books.books import Kind
from sandbox.clock import Clock
from sandbox.configuration import Configuration

# The names of the configured waiting times.
Wait = Literal["settle", "late_booking", "settlement", "refund_again", "expiry", "dispute"]


@dataclass(frozen=True, slots=True)
class Plan:
    """A future entry of the given `kind`. It is due at `at` plus `times` times the configured `wait`."""

    order_code: str
    kind: Kind
    wait: Wait
    times: int = 1
    amount: int = 0
    reference: str = ""
    detail: Mapping[str, Any] = field(default_factory=dict)
    at: float = field(default_factory=time.time)
    id: int = 0


class Plans:
    """The plans of one storage. Plans are added in the caller's transaction."""

    def __init__(self, connection: sqlite3.Connection, configuration: Configuration, clock: Clock) -> None:
        self._connection = connection
        self._clock = clock
        self._configured: dict[Wait, float] = {
            "settle": configuration.settle_seconds,
            "late_booking": configuration.late_booking_seconds,
            "settlement": configuration.settlement_seconds,
            "refund_again": configuration.refund_again_seconds,
            "expiry": configuration.expiry_seconds,
            "dispute": configuration.dispute_seconds,
        }

    def add(self, plan: Plan) -> int:
        """Write a plan, and return its number, to which the entry that carries it out refers."""
        cursor = self._connection.execute(
            "INSERT INTO plan (at, wait, times, order_code, kind, amount, reference, detail)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (
                plan.at,
                plan.wait,
                plan.times,
                plan.order_code,
                plan.kind,
                plan.amount,
                plan.reference,
                json.dumps(plan.detail),
            ),
        )
        return int(cursor.lastrowid or 0)

    def due(self, plan: Plan) -> float:
        """Return the time of a plan, in seconds since the epoch, at the present speed of the clock."""
        return plan.at + plan.times * self._clock.seconds(self._configured[plan.wait])

    def bring_forward(self, order: str, seconds: float) -> None:
        """Make all plans of the orders whose code begins with `order` due so many seconds earlier."""
        with self._connection:
            self._connection.execute(
                "UPDATE plan SET at = at - ? WHERE substr(order_code, 1, length(?)) = ?",
                (seconds, order, order),
            )

    def next_due(self, after: int) -> Plan | None:
        """Return the open plan that is due first. The caller knows that no plan up to `after` is open."""
        waits = {wait: self._clock.seconds(seconds) for wait, seconds in self._configured.items()}
        row = self._connection.execute(
            "SELECT * FROM plan WHERE id > :after AND NOT EXISTS"
            " (SELECT 1 FROM entry WHERE entry.settles = plan.id)"
            " ORDER BY at + times * json_extract(:waits, '$.' || wait), id LIMIT 1",
            {"after": after, "waits": json.dumps(waits)},
        ).fetchone()
        return row and Plan(
            id=row["id"],
            at=row["at"],
            wait=row["wait"],
            times=row["times"],
            order_code=row["order_code"],
            kind=Kind(row["kind"]),
            amount=row["amount"],
            reference=row["reference"],
            detail=json.loads(row["detail"]),
        )

    def open_count(self) -> int:
        """Count the plans that have not been carried out. At most one entry settles a plan."""
        (count,) = self._connection.execute(
            "SELECT (SELECT count(*) FROM plan) - (SELECT count(*) FROM entry WHERE settles > 0)"
        ).fetchone()
        return int(count)

    def done_up_to(self, after: int) -> int:
        """Return a number up to which all plans are done. The caller knows that those up to `after` are."""
        # One statement, so that no plan can be added between two reads of the books.
        (done,) = self._connection.execute(
            "SELECT coalesce((SELECT min(id) FROM plan WHERE id > ? AND NOT EXISTS"
            " (SELECT 1 FROM entry WHERE entry.settles = plan.id)) - 1, (SELECT max(id) FROM plan), 0)",
            (after,),
        ).fetchone()
        return int(done)
