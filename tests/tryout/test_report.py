"""The table of a purchase."""

from datetime import UTC, datetime, timedelta

from checkout.payments.timeline import Entry, Kind
from checkout.tryout.browser import Hop
from checkout.tryout.report import lines_of, shortened, table

START = datetime(2026, 3, 1, 12, tzinfo=UTC)


def after(milliseconds: int) -> datetime:
    return START + timedelta(milliseconds=milliseconds)


def hop(milliseconds: int, path: str) -> Hop:
    return Hop(
        after(milliseconds), "GET", f"http://localhost:8000{path}", 200, timedelta(milliseconds=30), ("csrf",)
    )


def test_both_sides_are_merged_by_time_and_counted_from_the_first_exchange():
    entries = [Entry(after(10), Kind.STEP, "purchase: authorise", "approved", timedelta(milliseconds=5.25))]
    lines = lines_of([hop(0, "/"), hop(50, "/pay/")], entries)
    assert [(line.at_ms, line.kind, line.duration_ms) for line in lines] == [
        (0, "browser", 30),
        (10, "saga step", 5.2),
        (50, "browser", 30),
    ]


def test_polling_is_one_line():
    polls = [hop(milliseconds, "/status.json") for milliseconds in (0, 250, 500)]
    (line,) = lines_of(polls, [])
    assert line.detail == "200, csrf, asked 2 more times within 0.5 s"


def test_tokens_and_references_are_cut():
    url = "http://localhost:8000/checkout/pay_0123456789abcdef0123456789abcdef/challenge/return/0123456789abcdefghijk/?a=secret"
    assert shortened(url) == "localhost:8000/checkout/pay_012345…/challenge/return/0123456789…/"


def test_the_table_has_a_line_for_each_with_what_it_took():
    entries = [Entry(after(10), Kind.FACT, "submitted", "by shopper")]
    header, first, second = table(lines_of([hop(0, "/")], entries))
    assert header.split() == ["at", "took", "where", "what"]
    assert first.split() == [
        "0.000s",
        "30",
        "ms",
        "browser",
        "GET",
        "localhost:8000/",
        "200,",
        "csrf",
    ]
    assert second.split() == ["0.010s", "fact", "submitted", "by", "shopper"]
