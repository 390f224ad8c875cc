"""Append-only books. The sums and the state of an order are always computed from its entries."""

import json
import sqlite3
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class Kind(StrEnum):
    SUBMITTED = "submitted"
    CHALLENGED = "challenged"
    CHALLENGE_OPENED = "challenge_opened"
    CHALLENGE_DECIDED = "challenge_decided"
    AUTHORISED = "authorised"
    REFUSED = "refused"
    ERROR = "error"
    CANCELLED = "cancelled"
    EXPIRED = "expired"
    CAPTURE_REQUESTED = "capture_requested"
    CAPTURED = "captured"
    CAPTURE_FAILED = "capture_failed"
    SETTLED = "settled"
    REFUND_REQUESTED = "refund_requested"
    REFUNDED = "refunded"
    REFUND_FAILED = "refund_failed"
    INFORMATION_REQUESTED = "information_requested"
    CHARGED_BACK = "charged_back"
    CHARGEBACK_REVERSED = "chargeback_reversed"
    DISPUTED_FUNDS_HELD = "disputed_funds_held"
    DISPUTED_FUNDS_RELEASED = "disputed_funds_released"
    DISPUTE_RESERVE_RELEASED = "dispute_reserve_released"
    DISPUTE_EXPIRED = "dispute_expired"
    TELEPORTED = "teleported"
    REST_RELEASED = "rest_released"
    LAPSED = "lapsed"


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry. `amount` is in minor units of the order's currency; `at` is in seconds since the epoch."""

    id: int
    at: float
    order_code: str
    kind: Kind
    amount: int
    reference: str
    transaction_id: str | None
    detail: Mapping[str, Any]


class Books:
    """The entries of one storage. Entries are appended in the caller's transaction."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.connection = connection

    def append(
        self,
        order_code: str,
        kind: Kind,
        *,
        amount: int = 0,
        reference: str = "",
        transaction_id: str | None = None,
        settles: int | None = None,
        detail: Mapping[str, Any] | None = None,
    ) -> None:
        """Write an entry; `settles` is the number of the plan that this entry carries out.

        Raises sqlite3.IntegrityError for an order's second submission or a plan's second booking.
        """
        self.connection.execute(
            "INSERT INTO entry (at, order_code, kind, amount, reference, transaction_id, settles, detail)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (
                time.time(),
                order_code,
                kind,
                amount,
                reference,
                transaction_id,
                settles,
                json.dumps(detail or {}),
            ),
        )

    def entries(self, order_code: str) -> list[Entry]:
        return self._select("WHERE order_code = ? ORDER BY id", order_code)

    def order_of_transaction(self, transaction_id: str) -> str | None:
        """Return the code of the order whose challenge has this identifier, or None."""
        found = self._select("WHERE transaction_id = ? LIMIT 1", transaction_id)
        return found[0].order_code if found else None

    def submissions(
        self, *, order_code: str | None, prefix: str, since: float, after: int, limit: int
    ) -> dict[str, int]:
        """Return the codes of orders with the numbers of their submissions, oldest first.

        The orders match every filter that is set: the code; a code that begins with `prefix`; an entry since
        `since`, in seconds since the epoch. Their submissions have numbers greater than `after`.
        """
        conditions = ["kind = :submitted AND id > :after"]
        if order_code is not None:
            conditions.append("order_code = :order_code")
        if prefix:
            conditions.append("order_code >= :prefix AND order_code < :prefix || char(0x10FFFF)")
        if since:
            conditions.append("order_code IN (SELECT order_code FROM entry WHERE at >= :since)")
        rows = self.connection.execute(
            f"SELECT order_code, id FROM entry WHERE {' AND '.join(conditions)} ORDER BY id LIMIT :limit",  # noqa: S608
            {
                "submitted": Kind.SUBMITTED,
                "order_code": order_code,
                "prefix": prefix,
                "since": since,
                "after": after,
                "limit": limit,
            },
        )
        return {row["order_code"]: row["id"] for row in rows}

    def submitted(self, since: float, until: float, *, after: int, limit: int) -> dict[str, int]:
        """Return the codes of orders submitted from `since` to before `until`, with their numbers.

        They are the first `limit` whose submission has a number greater than `after`, oldest first.
        """
        rows = self.connection.execute(
            "SELECT order_code, id FROM entry WHERE kind = ? AND id > ? AND at >= ? AND at < ?"
            " ORDER BY id LIMIT ?",
            (Kind.SUBMITTED, after, since, until, limit),
        )
        return {row["order_code"]: row["id"] for row in rows}

    def histories(self, order_codes: Iterable[str]) -> dict[str, list[Entry]]:
        """Return the entries of these orders, oldest first."""
        codes = list(order_codes)
        histories: dict[str, list[Entry]] = {code: [] for code in codes}
        for entry in self._select(
            "WHERE order_code IN (SELECT value FROM json_each(?)) ORDER BY id", json.dumps(codes)
        ):
            histories[entry.order_code].append(entry)
        return histories

    def _select(self, condition: str, *parameters: object) -> list[Entry]:
        rows = self.connection.execute(f"SELECT * FROM entry {condition}", parameters)  # noqa: S608 - constants
        return [
            Entry(
                id=row["id"],
                at=row["at"],
                order_code=row["order_code"],
                kind=Kind(row["kind"]),
                amount=row["amount"],
                reference=row["reference"],
                transaction_id=row["transaction_id"],
                detail=json.loads(row["detail"]),
            )
            for row in rows
        ]
