"""The shop's orders, in a SQLite file of its own. Each change is one transaction that locks the file."""

import secrets
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Any

TABLES = """
CREATE TABLE IF NOT EXISTS orders (
    number TEXT PRIMARY KEY, title TEXT, amount INTEGER, currency TEXT,
    payment TEXT DEFAULT '', version INTEGER DEFAULT 0, state TEXT DEFAULT '', is_paid INTEGER DEFAULT 0,
    pay_at TEXT DEFAULT '', shipments INTEGER DEFAULT 0, replaced_by TEXT DEFAULT ''
);
CREATE TABLE IF NOT EXISTS secrets (name TEXT PRIMARY KEY, value TEXT);
"""
# In these states nobody can pay the payment any more. In the others without money, shoppers may still pay it.
CLOSED = ("cancelled", "expired", "voided")
UNPAID = ("open", "declined", *CLOSED)


@dataclass(frozen=True)
class Order:
    """An order. ``payment`` is empty until the gateway has answered, ``pay_at`` unless it may be paid there.

    ``replaced_by`` is the order that the shopper made of it, to pay in another way.
    """

    number: str
    title: str
    amount: int
    currency: str
    payment: str
    version: int
    state: str
    is_paid: bool
    pay_at: str
    shipments: int
    replaced_by: str

    @property
    def is_unpaid(self) -> bool:
        """True if no money was taken, and none is under way."""
        return not self.is_paid and self.state in UNPAID

    @property
    def is_closed(self) -> bool:
        """True if it was not paid, and nobody can pay it any more: another payment may take its place."""
        return not self.is_paid and self.state in CLOSED


class Orders:
    """All orders of the shop."""

    def __init__(self, path: str) -> None:
        self._path = path
        with self._changing() as database:
            for table in TABLES.split(";"):
                database.execute(table)

    def add(self, title: str, amount: int, currency: str) -> Order:
        """Keep a new order, before anybody else hears of it."""
        number = new_number()
        with self._changing() as database:
            database.execute(
                "INSERT INTO orders (number, title, amount, currency) VALUES (?, ?, ?, ?)",
                (number, title, amount, currency),
            )
        return self.by("number", number)

    def replace(self, closed: Order) -> Order:
        """Return the order that replaces a closed one: it is the same each time, as after a double click."""
        number = new_number()
        with self._changing() as database:
            first = database.execute(
                "UPDATE orders SET replaced_by = ? WHERE number = ? AND replaced_by = ''",
                (number, closed.number),
            )
            if first.rowcount:
                database.execute(
                    "INSERT INTO orders (number, title, amount, currency) VALUES (?, ?, ?, ?)",
                    (number, closed.title, closed.amount, closed.currency),
                )
        return self.by("number", self.by("number", closed.number).replaced_by)

    def by(self, field: str, value: str) -> Order:
        """Return the order with this number or payment. Raises ``KeyError``."""
        by_field = {
            "number": "SELECT * FROM orders WHERE number = ?",
            "payment": "SELECT * FROM orders WHERE payment = ? AND payment <> ''",
        }
        with self._changing() as database:
            row = database.execute(by_field[field], (value,)).fetchone()
        if row is None:
            raise KeyError(value)
        return Order(**row)

    def settle(self, payment: dict[str, Any]) -> None:
        """Apply a payment, from the API or from a webhook, to its order. Older news changes nothing.

        The order is paid as soon as money was taken, also if it was given back or disputed before we saw it.
        It is shipped when all of its price was taken and kept, and once.
        """
        following = payment["next_action"] if payment["state"] in UNPAID else None
        amounts = payment["amounts"]
        is_paid = payment["state"] != "unknown" and amounts["captured"] > 0
        kept = amounts["captured"] - amounts["refunded"] - amounts["disputed"]
        with self._changing() as database:
            newer = database.execute(
                "UPDATE orders SET payment = ?, version = ?, state = ?, pay_at = ?"
                " WHERE number = ? AND amount = ? AND currency = ? AND version <= ?",
                (
                    *(payment["id"], payment["version"], payment["state"]),
                    following["url"] if following else "",
                    *(payment["order_reference"], payment["amount"], payment["currency"], payment["version"]),
                ),
            )
            if newer.rowcount and is_paid:
                database.execute(
                    "UPDATE orders SET is_paid = 1, shipments = MAX(shipments, ?) WHERE number = ?",
                    (kept >= payment["amount"], payment["order_reference"]),
                )

    def secret(self, name: str) -> str:
        """Return a secret that was kept; "" if there is none."""
        with self._changing() as database:
            row = database.execute("SELECT value FROM secrets WHERE name = ?", (name,)).fetchone()
        return str(row["value"]) if row else ""

    def keep_secret(self, name: str, value: str) -> None:
        """Keep a secret."""
        with self._changing() as database:
            database.execute("INSERT OR REPLACE INTO secrets VALUES (?, ?)", (name, value))

    @contextmanager
    def _changing(self) -> Iterator[sqlite3.Connection]:
        with closing(sqlite3.connect(self._path, timeout=20, isolation_level=None)) as database:
            database.row_factory = lambda cursor, row: {
                column[0]: value for column, value in zip(cursor.description, row, strict=True)
            }
            database.execute("BEGIN IMMEDIATE")
            yield database
            database.execute("COMMIT")


def new_number() -> str:
    """Return the number of a new order."""
    return f"S-{secrets.token_hex(6)}"
