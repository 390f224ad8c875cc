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
