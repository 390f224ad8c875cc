"""The ledger of a period: sums that add up, and each posting with its payment."""

import csv
from datetime import UTC, datetime, timedelta
from io import StringIO
from typing import Any

import pytest
import time_machine
from django.core.management import CommandError, call_command
from django.db import connection
from django.utils import timezone

from checkout.ledger.models import LedgerEntry
from checkout.ledger.service import ACCOUNTS
from checkout.payments.models import Attempt, Operation, Payment
from tests.management.gateway.conftest import Gateway, as_json
from tests.payments.service.conftest import an_account, an_attempt

pytestmark = pytest.mark.django_db

OCTOBER, NOVEMBER = datetime(2026, 10, 31, 23, 59, 59, 999999, UTC), datetime(2026, 11, 1, tzinfo=UTC)
WHOLE_NOVEMBER = ("--since", "2026-11-01", "--until", "2026-12-01")


@pytest.fixture
def attempt() -> Attempt:
    return an_attempt(an_account())


def booked(
    attempt: Attempt,
    kind: str,
    minor: int,
    *postings: str,
    at: datetime = NOVEMBER,
    currency: str = "GBP",
    again: str = "",
) -> Operation:
    """Book a done operation in the tables of both services."""
    operation = Operation.objects.create(
        payment=attempt.payment,
        attempt=attempt,
        kind=kind,
        amount_minor=minor,
        currency=currency,
        state="done",
    )
    for posting in postings:
        for account, amount in zip(ACCOUNTS[posting], (minor, -minor), strict=True):
            LedgerEntry.objects.create(
                posting=f"{posting}:{operation.reference}{again}",
                account=account,
                payment_reference=attempt.payment.reference,
                amount_minor=amount,
                currency=currency,
                posted_at=at,
            )
    return operation


def sums(output: str) -> dict[tuple[str, str], tuple[int, int]]:
    return {
        (row["currency"], row["kind"]): (row["postings"], row["minor"]) for row in as_json(output)["sums"]
    }


def lines(*arguments: str) -> list[dict[str, str]]:
    output = StringIO()
    call_command("gateway", "ledger", "--csv", *arguments, stdout=output)
    return list(csv.DictReader(StringIO(output.getvalue())))


def test_each_currency_and_kind_is_added_up_within_the_time(gateway: Gateway, attempt: Attempt):
    booked(attempt, "capture", 1, "capture_requested", "captured", at=OCTOBER)
    booked(attempt, "capture", 700, "capture_requested", "captured")
    booked(attempt, "capture", 550, "capture_requested", "captured")
    booked(attempt, "refund", 300, "refunded")
    booked(attempt, "charge_back", 200, "charged_back")
    booked(attempt, "charge_back_reversal", 200, "charge_back_reversed")
    booked(attempt, "capture", 2400, "capture_requested", "captured", currency="JPY")
    booked(attempt, "capture", 1234, "capture_requested", "captured", currency="KWD")
    booked(attempt, "capture", 5, "capture_requested", "captured", at=datetime(2026, 12, 1, tzinfo=UTC))
    code, output = gateway("ledger", *WHOLE_NOVEMBER, "--json")
    assert code == 0
    assert sums(output) == {
        ("GBP", "captured"): (2, 1250),
        ("GBP", "refunded"): (1, -300),
        ("GBP", "charged_back"): (1, -200),
        ("GBP", "charge_back_reversed"): (1, 200),
        ("JPY", "captured"): (1, 2400),
        ("KWD", "captured"): (1, 1234),
    }
    _, output = gateway("ledger", *WHOLE_NOVEMBER)
    table = [line.split() for line in output.splitlines()]
    assert ["captured", "2", "12.50", "GBP"] in table
    assert ["captured", "1", "2,400", "JPY"] in table
    assert ["captured", "1", "1.234", "KWD"] in table
    assert [line[-2:] for line in table if line[:1] == ["together,"]] == [
        ["9.50", "GBP"],
        ["2,400", "JPY"],
        ["1.234", "KWD"],
    ]
    _, output = gateway("ledger", "--since", "2026-11-01T00:00+01:00", "--until", "2026-11-01T01:00+01:00")
    assert ["captured", "1", "0.01", "GBP"] in [line.split() for line in output.splitlines()]


def test_the_ledger_of_a_time_that_is_not_over_says_so(gateway: Gateway, attempt: Attempt):
    over, not_over = (
        ("--since", "2026-10-01", "--until", "2026-11-01"),
        ("--since", "2026-10-01", "--until", "2999-01-01"),
    )
    assert "not over" not in gateway("ledger", *over)[1]
    assert "This time is not over" in gateway("ledger", *not_over)[1]
    assert [as_json(gateway("ledger", *each, "--json")[1])["is_over"] for each in (over, not_over)] == [
        True,
        False,
    ]


def test_with_csv_it_says_so_beside_the_lines(attempt: Attempt, capsys: pytest.CaptureFixture[str]):
    """The file is that of a month that an accountant closes."""
    booked(attempt, "capture", 700, "capture_requested", "captured")
    assert len(lines("--since", "2026-10-01", "--until", "2999-01-01")) == 1
    assert "not over" in capsys.readouterr().err
    lines("--since", "2026-10-01", "--until", "2026-11-01")
    assert capsys.readouterr().err == ""


def test_a_time_that_has_just_ended_is_not_over(gateway: Gateway, attempt: Attempt):
    """A posting of its last moment may not be committed yet."""
    now = timezone.now()
    for minutes, is_over in ((0, False), (2, True)):
        until = (now - timedelta(minutes=minutes)).isoformat()
        _, output = gateway("ledger", "--since", "2020-10-01", "--until", until, "--json")
        assert as_json(output)["is_over"] is is_over


@pytest.mark.postgresql
def test_a_time_is_over_by_the_clock_of_the_database(gateway: Gateway, attempt: Attempt):
    now = timezone.now()
    booked(attempt, "capture", 700, "capture_requested", "captured", at=now)
    since, until = (f"{now + timedelta(days=each):%Y-%m-%d}" for each in (-1, 10))
    with time_machine.travel(now + timedelta(days=40)):
        assert "This time is not over" in gateway("ledger", "--since", since, "--until", until)[1]
    with time_machine.travel(now - timedelta(hours=1)):
        assert sums(gateway("ledger", "--since", since, "--json")[1]) == {("GBP", "captured"): (1, 700)}


def test_what_was_only_requested_is_not_shown(gateway: Gateway, attempt: Attempt):
    booked(attempt, "capture", 700, "capture_requested", "reversal")
    assert "Nothing was posted." in gateway("ledger", *WHOLE_NOVEMBER)[1]


def test_each_posting_has_its_payment(attempt: Attempt):
    Payment.objects.update(order_reference="=1+1")
    operation = booked(attempt, "refund", 300, "refunded", again="/1")
    [line] = lines(*WHOLE_NOVEMBER)
    assert line == {
        "posted_at": "2026-11-01T00:00:00Z",
        "merchant": attempt.payment.merchant.code,
        "mode": "test",
        "account": "twin",
        "payment": attempt.payment.reference,
        "order_reference": "'=1+1",
        "order_code": attempt.order_code,
        "operation": operation.reference,
        "kind": "refunded",
        "currency": "GBP",
        "amount": "-3.00",
        "minor": "-300",
    }


@pytest.mark.parametrize(("currency", "amount"), [("JPY", "1250"), ("GBP", "12.50"), ("KWD", "1.250")])
def test_amounts_are_also_there_in_minor_units_which_no_spreadsheet_takes_for_dates(
    attempt: Attempt, currency: str, amount: str
):
    """With a decimal comma, 12.50 is December 1950."""
    booked(attempt, "capture", 1250, "captured", currency=currency)
    [line] = lines(*WHOLE_NOVEMBER)
    assert (line["amount"], line["minor"]) == (amount, "1250")


def test_a_posting_without_an_operation_is_shown(gateway: Gateway, attempt: Attempt):
    booked(attempt, "capture", 700, "capture_requested", "captured")
    Operation.objects.all().delete()
    assert lines(*WHOLE_NOVEMBER)[0]["merchant"] == "(unknown)"
    assert sums(gateway("ledger", *WHOLE_NOVEMBER, "--json")[1]) == {("GBP", "captured"): (1, 700)}


@pytest.mark.parametrize(
    "arguments",
    [
        ["--since", "yesterday"],
        ["--since", "0001-01-01T00:00+14:00"],
        ["--since", "2026-11-02", "--until", "2026-11-01"],
        ["--since", "2999-01-01"],
        ["--since", "2026-11-01", "--json", "--csv"],
    ],
)
def test_a_time_that_is_none_is_refused(gateway: Gateway, arguments: list[str]):
    with pytest.raises(CommandError):
        gateway("ledger", *arguments)


def test_the_ledger_may_have_a_database_of_its_own(attempt: Attempt, own_database: Any):
    own_database("ledger")
    booked(attempt, "capture", 700, "capture_requested", "captured")
    [line] = lines(*WHOLE_NOVEMBER)
    assert (line["order_code"], line["amount"]) == (attempt.order_code, "7.00")


def test_a_posting_that_does_not_add_up_is_named(gateway: Gateway, own_database: Any, attempt: Attempt):
    own_database("ledger")  # in SQLite only: PostgreSQL refuses such entries
    operation = booked(attempt, "capture", 700, "capture_requested", "captured")
    LedgerEntry.objects.filter(posting__startswith="captured", amount_minor__lt=0).delete()
    with pytest.raises(CommandError, match=f"captured:{operation.reference}"):
        gateway("ledger", *WHOLE_NOVEMBER)


@pytest.mark.postgresql
def test_the_time_limit_of_payments_does_not_end_the_report(gateway: Gateway, attempt: Attempt):
    if connection.vendor != "postgresql":
        pytest.skip("SQLite has no time limit of statements.")
    booked(attempt, "capture", 700, "capture_requested", "captured")
    with connection.cursor() as cursor:
        # A slow disk: each row that is read takes longer than the limit.
        cursor.execute("ALTER TABLE ledger_ledgerentry RENAME TO entries")
        cursor.execute(
            "CREATE VIEW ledger_ledgerentry AS SELECT * FROM entries WHERE pg_sleep(0.05) IS NOT NULL"
        )
        cursor.execute("SET statement_timeout = 20")
    assert gateway("ledger", *WHOLE_NOVEMBER)[0] == 0
