"""Books that have grown for weeks: finished orders are not read again with every message."""

import pytest

from sandbox.books.books import Books, Kind
from sandbox.books.plans import Plan, Plans
from sandbox.changes import ChangeSignal
from sandbox.clock import Clock
from sandbox.configuration import Configuration
from sandbox.faults.fault_settings import Scenario
from sandbox.faults.record import FaultRecord
from sandbox.notifications.outgoing import Outgoing
from sandbox.storage import open_storage


@pytest.fixture
def connection(tmp_path):
    connection = open_storage(tmp_path / "books.sqlite3")
    yield connection
    connection.close()


def test_plans_that_are_all_done_are_behind_the_mark(connection):
    books, plans = Books(connection), Plans(connection, Configuration(), Clock(1, ChangeSignal()))
    assert plans.done_up_to(0) == 0
    with connection:
        first, last = (
            plans.add(Plan(order_code="order-1", kind=Kind.CAPTURED, wait="settle")) for _ in range(2)
        )
        books.append("order-1", Kind.CAPTURED, settles=first)
    assert (plans.done_up_to(0), plans.open_count()) == (first, 1)
    with connection:
        books.append("order-1", Kind.CAPTURED, settles=last)
    assert (plans.done_up_to(0), plans.open_count()) == (last, 0)


@pytest.fixture
def other(tmp_path, connection):
    """Another program's connection to the same books."""
    other = open_storage(tmp_path / "books.sqlite3")
    yield other
    other.close()


def before_the_second_statement(connection, act):
    """Call ``act`` before the second statement that the connection runs from now on."""
    statements = list[str]()

    def count(statement: str) -> None:
        statements.append(statement)
        if len(statements) == 2:
            act()

    connection.set_trace_callback(count)


def test_a_plan_that_another_program_adds_meanwhile_is_not_passed_over(connection, other):
    clock, added = Clock(1, ChangeSignal()), list[int]()
    plans, others = (Plans(each, Configuration(), clock) for each in (connection, other))

    def add_one() -> None:
        with other:
            added.append(others.add(Plan(order_code="order-1", kind=Kind.CAPTURED, wait="settle")))

    before_the_second_statement(connection, add_one)
    done = plans.done_up_to(0)
    connection.set_trace_callback(None)
    add_one()
    first = plans.next_due(after=done)
    assert (first and first.id) == added[0]


def test_a_notification_that_another_program_adds_meanwhile_is_not_passed_over(connection, other):
    outgoing = Outgoing(connection, Scenario().notifications, FaultRecord(connection))
    added = list[int | None]()

    def add_one() -> None:
        with other:
            row = other.execute(
                "INSERT INTO notification (at, due, plan, line, order_code, journal_type, content_type, body)"
                " VALUES (0, 0, 'once', 'prompt', 'order-1', 'AUTHORISED', 'text/xml', '')"
            )
            added.append(row.lastrowid)

    before_the_second_statement(connection, add_one)
    done = outgoing.closed_up_to("prompt", after=0)
    connection.set_trace_callback(None)
    add_one()
    head = outgoing.head("prompt", after=done)
    assert (head and head.id) == added[0]
