"""The stock, the orders' reservations and the record of handled messages, in one SQLite file."""

import json
import re
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from contract import Malformed

TABLES = """
    CREATE TABLE IF NOT EXISTS handled (message_id TEXT PRIMARY KEY, reply_id TEXT, reply TEXT) STRICT;
    CREATE TABLE IF NOT EXISTS stock (sku TEXT PRIMARY KEY, quantity INTEGER NOT NULL) STRICT;
    CREATE TABLE IF NOT EXISTS orders (
        payment TEXT PRIMARY KEY, state TEXT NOT NULL, attempt TEXT NOT NULL, lines TEXT NOT NULL) STRICT;
"""
Answer = dict[str, Any]


class Rejected(Exception):
    """The command is understood and cannot be carried out. The code is for programs."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class Stock:
    """The data of the service. Every command must be harmless if it is asked again."""

    def __init__(self, path: str, at_first: Mapping[str, int]) -> None:
        self._sql = sqlite3.connect(path, isolation_level=None)
        self._sql.execute("PRAGMA journal_mode = WAL")
        self._sql.executescript(TABLES)
        self._sql.executemany("INSERT OR IGNORE INTO stock VALUES (?, ?)", at_first.items())

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Open a transaction: the record that the message was handled, its effects and the answer."""
        self._sql.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._sql.execute("ROLLBACK")
            raise
        self._sql.execute("COMMIT")

    def answer_to(self, message_id: str) -> tuple[str, str] | None:
        """Return the id and the body of the reply to a message that was handled, or None."""
        row = self._sql.execute("SELECT reply_id, reply FROM handled WHERE message_id = ?", (message_id,))
        found: tuple[str, str] | None = row.fetchone()
        return found

    def record(self, message_id: str, reply_id: str, reply: str) -> None:
        """Record a message as handled."""
        self._sql.execute("INSERT INTO handled VALUES (?, ?, ?)", (message_id, reply_id, reply))

    def carry_out(self, type: str, command: dict[str, Any]) -> Answer:
        """Carry out a command in the open transaction, and return its result. Raises Rejected, Malformed."""
        required, optional, handle = COMMANDS.get(type, (None, None, None))
        if required is None or optional is None or handle is None:
            raise Malformed(f"orders does not handle {type}")
        check(command, required, optional, is_open=type == "orders.reserve")
        return handle(self, command)

    def reserve(self, command: dict[str, Any]) -> Answer:
        """Set aside everything or nothing. After the release of this attempt, it stays at nothing."""
        wanted = _quantities(command["lines"])
        attempt = command.get("attempt", "")
        state, at, _ = self._order(command["payment"])
        if state == "cancelled":
            return {"reserved": False, "missing": []}
        is_later = _number(attempt) > _number(at)
        if state in ("reserved", "confirmed"):
            if is_later:
                self._sql.execute(
                    "UPDATE orders SET attempt = ? WHERE payment = ?", (attempt, command["payment"])
                )
            return {"reserved": True, "missing": []}
        if at and not is_later:
            return {"reserved": False, "missing": []}
        missing = self._missing(wanted)
        if missing:
            return {"reserved": False, "missing": missing}
        self._take(wanted)
        self._write(command["payment"], "reserved", attempt, wanted)
        return {"reserved": True, "missing": []}

    def confirm(self, command: dict[str, Any]) -> Answer:
        """Mark what was set aside as sold. What was given back meanwhile is taken again if it is there."""
        state, attempt, lines = self._order(command["payment"])
        if state == "cancelled":
            raise Rejected("order_cancelled", "The order was cancelled.")
        if state == "released":
            if lines is None:
                raise Rejected("not_reserved", "Nothing was reserved for this payment.")
            if self._missing(lines):
                raise Rejected("out_of_stock", "It has been sold to others since.")
            self._take(lines)
        self._write(command["payment"], "confirmed", attempt, lines)
        return {}

    def release(self, command: dict[str, Any]) -> Answer:
        """Give back what this attempt has set aside. That of a later attempt stays."""
        attempt = command.get("attempt", "")
        state, at, lines = self._order(command["payment"])
        if state == "cancelled" or _number(attempt) < _number(at):
            return {}
        if state == "confirmed":
            raise Rejected("order_confirmed", "The order is confirmed, so its stock is not given back.")
        if state == "reserved":
            self._give_back(lines)
        # A release that overtakes its reservation is remembered, even if an earlier attempt had reserved.
        self._write(command["payment"], "released", attempt, lines)
        return {}

    def cancel(self, command: dict[str, Any]) -> Answer:
        """Call the order off for good. What was set aside or sold is given back, once."""
        state, attempt, lines = self._order(command["payment"])
        if state in ("reserved", "confirmed"):
            self._give_back(lines)
        self._write(command["payment"], "cancelled", attempt, lines)
        return {}

    def _order(self, payment: str) -> tuple[str, str, dict[str, int] | None]:
        """Return the order's state, attempt and lines. The lines are None if it was never reserved."""
        found = self._sql.execute("SELECT state, attempt, lines FROM orders WHERE payment = ?", (payment,))
        state, attempt, lines = found.fetchone() or ("released", "", "null")
        return state, attempt, json.loads(lines)

    def _write(self, payment: str, state: str, attempt: str, lines: Mapping[str, int] | None) -> None:
        self._sql.execute(
            "INSERT OR REPLACE INTO orders VALUES (?, ?, ?, ?)", (payment, state, attempt, json.dumps(lines))
        )

    def _missing(self, wanted: Mapping[str, int]) -> list[str]:
        there = dict(self._sql.execute("SELECT sku, quantity FROM stock"))
        return [sku for sku, quantity in wanted.items() if there.get(sku, 0) < quantity]

    def _take(self, wanted: Mapping[str, int]) -> None:
        for sku, quantity in wanted.items():
            self._sql.execute("UPDATE stock SET quantity = quantity - ? WHERE sku = ?", (quantity, sku))

    def _give_back(self, lines: Mapping[str, int] | None) -> None:
        self._take({sku: -quantity for sku, quantity in (lines or {}).items()})


Fields = Mapping[str, type]
Handle = Callable[[Stock, dict[str, Any]], Answer]
COMMANDS: Mapping[str, tuple[Fields, Fields, Handle]] = {
    "orders.reserve": (
        {"payment": str, "lines": list},
        {"attempt": str, "merchant_code": str, "order_reference": str},
        Stock.reserve,
    ),
    "orders.confirm": ({"payment": str}, {}, Stock.confirm),
    "orders.release": ({"payment": str}, {"attempt": str}, Stock.release),
    "orders.cancel": ({"payment": str}, {}, Stock.cancel),
}


def check(command: dict[str, Any], required: Fields, optional: Fields, *, is_open: bool) -> None:
    """Raise Malformed unless the fields are there, of their types, and known. An open command has others."""
    for name, kind in {**required, **optional}.items():
        if name in command and type(command[name]) is not kind:
            raise Malformed(f"{name} is no {kind.__name__}")
    for name in required:
        if name not in command:
            raise Malformed(f"{name} is missing")
    unknown = sorted(command.keys() - required.keys() - optional.keys())
    if unknown and not is_open:
        raise Malformed(f"unknown fields: {', '.join(unknown)}")


def _quantities(lines: list[Any]) -> dict[str, int]:
    total: Counter[str] = Counter()
    for line in lines:
        if not isinstance(line, dict):
            raise Malformed("a line is no object")
        check(line, {"sku": str, "quantity": int}, {}, is_open=False)
        if line["quantity"] < 1:
            raise Rejected("invalid_quantity", "A quantity must be at least one.")
        total[line["sku"]] += line["quantity"]
    return dict(total)


def _number(attempt: str) -> int:
    """Return the number of an attempt, with which its order code ends; 0 if there is none."""
    found = re.search(r"-(\d+)$", attempt)
    return int(found[1]) if found else 0
