"""An idle stack, in which only the test's own requests, and timers, change rows."""

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import psycopg
from psycopg import sql

from checkout.ledger.models import DailyTotal
from checkout.payments.models import EventPosition, HourlyFigure, RetentionWalk
from checkout.webhooks.models import SweepCursor
from tests.flows.stack.shopping import CHALLENGE, approved, rows, shopper_at
from tests.flows.stack.wire import Wire
from tests.support.stack import Stack
from tests.support.waiting import wait_until

# The tables that timers and the relay write by themselves: positions, and totals of past events.
WRITTEN_BY_TIMERS = tuple(
    model._meta.db_table for model in (DailyTotal, EventPosition, HourlyFigure, RetentionWalk, SweepCursor)
)
TABLES = """
    SELECT table_name FROM information_schema.tables
    WHERE table_schema = 'public' AND table_name <> ALL(%s) ORDER BY 1"""
CONTENT = "SELECT count(*), md5(string_agg(row::text, '|' ORDER BY row::text)) FROM {} AS row"
SUSPICIOUS = ("Traceback", "level=error", "level=critical", "Exception", "ERROR")


@dataclass
class QuietStack:
    """A stack with an unpaid payment, one in a challenge, and one whose challenge has expired."""

    stack: Stack
    wire: Wire = field(init=False)
    unpaid: str = field(init=False)
    challenged: str = field(init=False)
    return_path: str = field(init=False)
    expired_path: str = field(init=False)
    _content: dict[str, tuple[int, str]] = field(init=False)

    def __post_init__(self) -> None:
        self.wire = Wire(self.stack.web_url)
        shopper = shopper_at(self.stack)
        shopper.order()
        self.unpaid = shopper.reference
        self.challenged, self.return_path = self._challenged()
        expired, self.expired_path = self._challenged()
        long_ago = "UPDATE payments_attempt SET challenge_expires_at = '2020-01-01Z' WHERE order_code = %s"
        rows(self.stack, long_ago, f"{expired}-1")
        open_messages = "SELECT 1 FROM payments_outboxmessage WHERE published_at IS NULL"
        wait_until(lambda: not rows(self.stack, open_messages), "everything to be published")
        self._content = self.content()

    @contextmanager
    def unchanged(self, *, but_for: Collection[str] = (), alarm: str = "no alarm") -> Iterator[Wire]:
        """Assert that the block changes no row, logs no error, and leaves the web process healthy.

        Rows of the tables ``but_for`` may change, and lines that contain ``alarm`` may be logged.
        """
        web = self.stack.programs["web"]
        before, logged = self._content, len(web.text())
        yield self.wire
        assert self.wire.request("GET", "/readyz").status == 200
        assert web.is_alive
        self._content = self.content()
        assert [
            table for table, rows in self._content.items() if rows != before[table] and table not in but_for
        ] == []
        new_lines = "\n".join(line for line in web.text()[logged:].splitlines() if alarm not in line)
        assert not [word for word in SUSPICIOUS if word in new_lines], new_lines

    def content(self) -> dict[str, tuple[int, str]]:
        """Return the number and a digest of the rows of every table that no timer writes."""
        with psycopg.connect(self.stack.database_url) as connection:
            tables = [name for (name,) in connection.execute(TABLES, [list(WRITTEN_BY_TIMERS)])]
            queries = {table: sql.SQL(CONTENT).format(sql.Identifier(table)) for table in tables}
            return {
                table: connection.execute(query).fetchone() or (0, "") for table, query in queries.items()
            }

    def _challenged(self) -> tuple[str, str]:
        """Return a payment whose shopper has approved at the issuer, and the path for the return."""
        shopper = shopper_at(self.stack, CHALLENGE)
        form = approved(self.stack, shopper).form(to="/challenge/return/")
        return shopper.reference, urlsplit(form.action).path
