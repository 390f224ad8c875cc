"""Order notifications waiting to be accepted, in two lines.

Authorisations, refusals and cancellations are pushed at once; bookings travel by another mechanism, so the
order across the two is not promised (developer.worldpay.com/docs/wpg/manage/). In a line the first blocks.
"""

import sqlite3
import time
from dataclasses import dataclass
from typing import Any, Literal

from checkout.sandbox.notices import notice
from checkout.sandbox.orders import Order

Line = Literal["prompt", "booked"]
LINES: dict[str, Line] = {"CAPTURED": "booked", "REFUNDED": "booked"}


@dataclass(frozen=True, slots=True)
class Pending:
    """One notification that has not been accepted. `tries` counts the deliveries so far."""

    id: int
    at: float
    body: bytes
    tries: int


class Outgoing:
    """Notifications of one storage. Announcing belongs to the caller's transaction."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def announce(self, order: Order, journal_type: str, amount: int, reference: str = "") -> None:
        self._connection.execute(
            "INSERT INTO notification (at, line, order_code, journal_type, body) VALUES (?, ?, ?, ?, ?)",
            (
                time.time(),
                LINES.get(journal_type, "prompt"),
                order.code,
                journal_type,
                notice(order, journal_type, amount, reference).decode(),
            ),
        )

    def head(self, line: Line, after: int) -> Pending | None:
        """The first notification of the line beyond `after` that is neither accepted nor given up."""
        row = self._connection.execute(
            "SELECT id, at, body,"
            " (SELECT count(*) FROM delivery WHERE delivery.notification = notification.id) AS tries"
            " FROM notification WHERE line = ? AND id > ? AND NOT EXISTS"
            " (SELECT 1 FROM delivery WHERE delivery.notification = notification.id AND closed)"
            " ORDER BY id LIMIT 1",
            (line, after),
        ).fetchone()
        return row and Pending(row["id"], row["at"], row["body"].encode(), row["tries"])

    def record(self, pending: Pending, answer: str, *, closed: bool) -> None:
        """Note one delivery; `closed` when it was accepted or is given up."""
        with self._connection:
            self._connection.execute(
                "INSERT INTO delivery (at, notification, answer, closed) VALUES (?, ?, ?, ?)",
                (time.time(), pending.id, answer, closed),
            )

    def statement(self) -> list[dict[str, Any]]:
        """Every notification with its deliveries, for the books page."""
        deliveries: dict[int, list[dict[str, Any]]] = {}
        for row in self._connection.execute("SELECT at, notification, answer FROM delivery ORDER BY id"):
            deliveries.setdefault(row["notification"], []).append({"at": row["at"], "answer": row["answer"]})
        rows = self._connection.execute(
            "SELECT id, at, order_code, journal_type FROM notification ORDER BY id"
        )
        return [
            {key: row[key] for key in ("id", "at", "order_code", "journal_type")}
            | {"deliveries": deliveries.get(row["id"], [])}
            for row in rows
        ]
