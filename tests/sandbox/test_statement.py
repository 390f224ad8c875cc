"""The books, page by page."""

import sqlite3
import time
from datetime import UTC, datetime

import pytest
import requests

from sandbox.storage import UnusableBooks, open_storage
from tests.sandbox.merchant import turn


@pytest.fixture
def five_orders(merchant):
    for number in range(5):
        merchant.submit(f"P{number % 2}-{number}", "REFUSED" if number == 3 else "Ann")
    return merchant


def codes(statement: dict) -> list[str]:
    return [order["order_code"] for order in statement["orders"]]


def test_pages_follow_one_another_until_there_is_no_next(five_orders):
    first = five_orders.statement(limit=2)
    second = five_orders.statement(limit=2, after=first["next"])
    third = five_orders.statement(limit=2, after=second["next"])
    assert [codes(page) for page in (first, second, third)] == [["P0-0", "P1-1"], ["P0-2", "P1-3"], ["P0-4"]]
    assert third["next"] is None


def test_orders_are_found_by_code_and_by_its_beginning(five_orders):
    assert codes(five_orders.statement(order="P0-2")) == ["P0-2"]
    assert codes(five_orders.statement(order="P0-")) == []
    assert codes(five_orders.statement(prefix="P0-")) == ["P0-0", "P0-2", "P0-4"]


def test_orders_are_found_by_the_time_of_what_happened_to_them_last(five_orders):
    moment = time.time()
    five_orders.cancel("P1-1")
    assert codes(five_orders.statement(since=moment)) == ["P1-1"]
    assert codes(five_orders.statement(since=datetime.fromtimestamp(moment, UTC).isoformat())) == ["P1-1"]


def test_a_brief_statement_has_the_sums(five_orders):
    five_orders.cancel("P0-0")
    five_orders.capture("P0-2", 600)
    brief = five_orders.statement(brief=1)
    assert set(brief) == {"orders", "next"}
    sums = {
        order["order_code"]: (
            order["authorisations"],
            order["authorised"],
            order["cancelled"],
            order["capture_requested"],
        )
        for order in brief["orders"]
    }
    assert sums["P0-0"] == (1, 1050, 1050, 0)
    assert sums["P0-2"] == (1, 1050, 0, 600)
    assert sums["P1-3"] == (0, 0, 0, 0)


def test_notifications_and_incidents_are_those_of_the_page(sandbox, five_orders):
    turn(sandbox, knob={"verb": "cancel", "fault": "500_after", "times": None})
    for code in ("P0-0", "P0-4"):
        with pytest.raises(AssertionError):
            five_orders.cancel(code)
    page = five_orders.statement(limit=2)
    assert [row["order_code"] for row in page["notifications"]] == ["P0-0", "P1-1", "P0-0"]
    assert [row["order_code"] for row in page["incidents"]] == ["P0-0"]


@pytest.mark.parametrize("query", ["limit=0", "limit=x", "since=yesterday", "order_code=P1"])
def test_a_question_that_is_not_understood_is_refused(sandbox, query):
    answer = requests.get(f"{sandbox}/books.json?{query}", timeout=20)
    assert answer.status_code == 400
    assert answer.json()["errors"]


def test_every_commit_waits_for_the_disk(merchant, tmp_path):
    connection = open_storage(tmp_path / "books.sqlite3")
    assert connection.execute("PRAGMA synchronous").fetchone()[0] == 2
    connection.close()


def test_books_of_another_version_are_refused(tmp_path):
    connection = sqlite3.connect(tmp_path / "old.sqlite3")
    connection.execute("CREATE TABLE entry (id INTEGER PRIMARY KEY)")
    connection.close()
    with pytest.raises(UnusableBooks, match="another version"):
        open_storage(tmp_path / "old.sqlite3")
