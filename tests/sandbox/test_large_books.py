"""Books that have grown for weeks: what is over is not read again with every message."""

import pytest

from sandbox.books.books import Books, Kind
from sandbox.books.plans import Plan, Plans
from sandbox.changes import ChangeSignal
from sandbox.clock import Clock
from sandbox.configuration import Configuration
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


def test_a_plan_that_another_program_adds_meanwhile_is_not_passed_over(connection, tmp_path):
    other, clock = open_storage(tmp_path / "books.sqlite3"), Clock(1, ChangeSignal())
    plans, others = (Plans(each, Configuration(), clock) for each in (connection, other))
    statements, added = list[str](), list[int]()

    def add_one() -> None:
        with other:
            added.append(others.add(Plan(order_code="order-1", kind=Kind.CAPTURED, wait="settle")))

    def add_one_between_two(statement: str) -> None:
        statements.append(statement)
        if len(statements) == 2:
            add_one()

    connection.set_trace_callback(add_one_between_two)
    done = plans.done_up_to(0)
    connection.set_trace_callback(None)
    add_one()
    first = plans.next_due(after=done)
    other.close()
    assert statements
    assert (first and first.id) == added[0]
