"""Order notifications that wait to be accepted, in two lines.

Authorisations, refusals and cancellations are pushed at once. Bookings use another line, and the order
between the two lines is not guaranteed (developer.worldpay.com/docs/wpg/manage/). In each line the first one
blocks.
"""

import json
import sqlite3
import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal, get_args

from sandbox.books.orders import Order
from sandbox.faults.fault_settings import Knobs, NotificationKnob
from sandbox.faults.kinds import JOURNALS
from sandbox.faults.record import FaultRecord
from sandbox.messages.journals import Event
from sandbox.messages.notices import notice
from sandbox.notifications.forged import FORGERIES, XML

Line = Literal["prompt", "booked"]
LINE_NAMES: tuple[Line, ...] = get_args(Line)
PROMPT = frozenset({"AUTHORISED", "REFUSED", "ERROR", "CANCELLED"})
LINES: dict[str, Line] = dict.fromkeys((name for name in JOURNALS if name not in PROMPT), "booked")

Plan = Literal["until_accepted", "once", "never", "first_try_lost", "after_the_next"]
LONGEST_OVERTAKING_SECONDS = 60
OPEN = (
    "line = :line AND id > :after AND NOT EXISTS"
    " (SELECT 1 FROM delivery WHERE delivery.notification = notification.id AND closed)"
)
# A notification that is to be overtaken is sent after a later one of the same order.
IS_DUE = (
    "due <= :now AND (plan <> 'after_the_next' OR due + :longest <= :now OR EXISTS"
    " (SELECT 1 FROM notification AS later JOIN delivery ON delivery.notification = later.id"
    " WHERE later.order_code = notification.order_code AND later.id > notification.id AND closed))"
)


@dataclass(frozen=True, slots=True)
class Pending:
    """One notification that has not been accepted. `tries` counts the deliveries so far."""

    id: int
    at: float
    body: bytes
    content_type: str
    plan: Plan
    tries: int


class Outgoing:
    """The notifications of one storage. They are announced in the caller's transaction."""

    def __init__(
        self, connection: sqlite3.Connection, knobs: Knobs[NotificationKnob], fault_record: FaultRecord
    ) -> None:
        self._connection = connection
        self._knobs = knobs
        self._fault_record = fault_record

    def announce(
        self,
        order: Order,
        journal_type: str,
        amount: int,
        reference: str = "",
        *,
        refund_authorisation: str = "",
        last_event: str = "",
        delay_seconds: float = 0,
    ) -> None:
        """Queue the notification of an event, as changed by a knob.

        A notification with a delay is queued with the bookings, and blocks them only once it is due.
        """
        event = Event(order, journal_type, amount, reference, refund_authorisation, last_event)
        true = notice(event)
        struck = self._knobs.strike(journal_type)
        if struck is None:
            line: Line = "booked" if delay_seconds else LINES.get(journal_type, "prompt")
            self._queue(order, journal_type, true, delay_seconds=delay_seconds, line=line)
            return
        knob, _ = struck
        self._fault_record.note(order.code, journal_type, knob.fault or "delay")
        delay_seconds = knob.delay_ms / 1000
        match knob.fault:
            case "duplicate":
                for copy in range(knob.copies + 1):
                    self._queue(order, journal_type, true, delay_seconds=copy * delay_seconds)
            case "replayed":
                self._queue(order, journal_type, true)
                first = self._first_of(order.code) or true
                for copy in range(1, knob.copies + 1):
                    self._queue(order, journal_type, first, "once", copy * delay_seconds)
            case None | "overtaken" | "lost" | "lost_once":
                plans: dict[str | None, Plan] = {
                    None: "until_accepted",
                    "overtaken": "after_the_next",
                    "lost": "never",
                    "lost_once": "first_try_lost",
                }
                self._queue(order, journal_type, true, plans[knob.fault], delay_seconds)
            case "in_report":
                report = notice(event, in_report=True)
                self._queue(order, journal_type, report, delay_seconds=delay_seconds)
            case fault:
                forgery = FORGERIES[fault]
                forged = forgery.write(event)
                plan: Plan = "until_accepted" if forgery.insists else "once"
                for _ in range(knob.copies):
                    self._queue(order, journal_type, forged, plan, content_type=forgery.content_type)
                self._queue(order, journal_type, true, delay_seconds=delay_seconds)

    def head(self, line: Line, after: int) -> Pending | None:
        """Return the line's first due notification after `after` that is neither accepted nor given up."""
        row = self._connection.execute(
            "SELECT id, at, body, content_type, plan,"  # noqa: S608 - constants
            " (SELECT count(*) FROM delivery WHERE delivery.notification = notification.id) AS tries"
            f" FROM notification WHERE {OPEN} AND {IS_DUE} ORDER BY id LIMIT 1",
            {"line": line, "after": after, "now": time.time(), "longest": LONGEST_OVERTAKING_SECONDS},
        ).fetchone()
        return row and Pending(
            id=row["id"],
            at=row["at"],
            body=row["body"].encode(),
            content_type=row["content_type"],
            plan=row["plan"],
            tries=row["tries"],
        )

    def next_due(self, line: Line, after: int) -> float | None:
        """Return when the line's next notification is due, in epoch seconds; None if there is none."""
        (due,) = self._connection.execute(
            "SELECT min(CASE plan WHEN 'after_the_next' THEN due + :longest ELSE due END)"  # noqa: S608
            f" FROM notification WHERE {OPEN}",
            {"line": line, "after": after, "longest": LONGEST_OVERTAKING_SECONDS},
        ).fetchone()
        return None if due is None else float(due)

    def closed_up_to(self, line: Line, after: int) -> int:
        """Return a number up to which the line's notifications are closed. Those up to `after` are closed."""
        # One statement, so that no notification can be added between two reads of the books.
        (done,) = self._connection.execute(
            f"SELECT coalesce((SELECT min(id) FROM notification WHERE {OPEN}) - 1,"  # noqa: S608 - constants
            " (SELECT max(id) FROM notification), 0)",
            {"line": line, "after": after},
        ).fetchone()
        return int(done)

    def is_open(self, order_code: str) -> bool:
        """Return True if a notification of this order has never been posted."""
        (found,) = self._connection.execute(
            "SELECT EXISTS (SELECT 1 FROM notification WHERE order_code = ? AND NOT EXISTS"
            " (SELECT 1 FROM delivery WHERE delivery.notification = notification.id))",
            (order_code,),
        ).fetchone()
        return bool(found)

    def open_count(self) -> int:
        """Count the notifications that are neither accepted nor given up. At most one delivery closes one."""
        (count,) = self._connection.execute(
            "SELECT (SELECT count(*) FROM notification) - (SELECT count(*) FROM delivery WHERE closed)"
        ).fetchone()
        return int(count)

    def record(self, pending: Pending, answer: str, *, closed: bool) -> None:
        """Record one delivery, which is `closed` if it was accepted or is given up."""
        with self._connection:
            self._connection.execute(
                "INSERT INTO delivery (at, notification, answer, closed) VALUES (?, ?, ?, ?)",
                (time.time(), pending.id, answer, closed),
            )

    def of_orders(self, order_codes: Iterable[str]) -> list[dict[str, Any]]:
        """Return the notifications of these orders with their deliveries, for the books page."""
        found = {
            row["id"]: dict(row) | {"deliveries": []}
            for row in self._connection.execute(
                "SELECT id, at, order_code, journal_type, plan FROM notification"
                " WHERE order_code IN (SELECT value FROM json_each(?)) ORDER BY id",
                (json.dumps(list(order_codes)),),
            )
        }
        for row in self._connection.execute(
            "SELECT notification, at, answer FROM delivery"
            " WHERE notification IN (SELECT value FROM json_each(?)) ORDER BY id",
            (json.dumps(list(found)),),
        ):
            found[row["notification"]]["deliveries"].append({"at": row["at"], "answer": row["answer"]})
        return list(found.values())

    def _first_of(self, order_code: str) -> bytes | None:
        row = self._connection.execute(
            "SELECT body FROM notification WHERE order_code = ? ORDER BY id LIMIT 1", (order_code,)
        ).fetchone()
        return None if row is None else str(row["body"]).encode()

    def _queue(
        self,
        order: Order,
        journal_type: str,
        body: bytes,
        plan: Plan = "until_accepted",
        delay_seconds: float = 0,
        content_type: str = XML,
        line: Line | None = None,
    ) -> None:
        now = time.time()
        self._connection.execute(
            "INSERT INTO notification (at, due, plan, line, order_code, journal_type, content_type, body)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (
                now,
                now + delay_seconds,
                plan,
                line or LINES.get(journal_type, "prompt"),
                order.code,
                journal_type,
                content_type,
                body.decode(),
            ),
        )
