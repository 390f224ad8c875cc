"""The record of the faults of each order, from which a test can explain or count them."""

import json
import sqlite3
import time
from collections.abc import Iterable
from typing import Any


class FaultRecord:
    """The faults of one storage."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.connection = connection

    def note(self, order_code: str, occasion: str, fault: str) -> None:
        """Record a fault, in the caller's transaction.

        `occasion` is the verb of the message or the journal type of the notification.
        """
        self.connection.execute(
            "INSERT INTO incident (at, order_code, occasion, fault) VALUES (?, ?, ?, ?)",
            (time.time(), order_code, occasion, fault),
        )

    def counts(self) -> dict[str, dict[str, int]]:
        """Return the number of faults by occasion and kind."""
        counts: dict[str, dict[str, int]] = {}
        for row in self.connection.execute(
            "SELECT occasion, fault, count(*) AS times FROM incident GROUP BY 1, 2 ORDER BY 1, 2"
        ):
            counts.setdefault(row["occasion"], {})[row["fault"]] = row["times"]
        return counts

    def of_orders(self, order_codes: Iterable[str]) -> list[dict[str, Any]]:
        rows = self.connection.execute(
            "SELECT at, order_code, occasion, fault FROM incident"
            " WHERE order_code IN (SELECT value FROM json_each(?)) ORDER BY id",
            (json.dumps(list(order_codes)),),
        )
        return [dict(row) for row in rows]
