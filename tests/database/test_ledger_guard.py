"""PostgreSQL itself refuses changes of ledger entries, facts and events, and unbalanced postings."""

import os
import sys

import psycopg
import pytest
from django.db import IntegrityError, connection, transaction

from checkout.database.append_only import erasing_on_purpose
from checkout.ledger.models import LedgerEntry
from checkout.payments.models import Event, Fact
from tests.backoffice import rows
from tests.support.program import run

pytestmark = [pytest.mark.postgresql, pytest.mark.django_db(transaction=True)]

ENTRY = """
    INSERT INTO ledger_ledgerentry
        (posting, account, payment_reference, amount_minor, currency, merchant_code, posted_at)
    VALUES (%s, %s, 'pay_1', %s, %s, 'shop', now())
"""


CAPTURED = ("captured:1", "provider:captured", 1250, "GBP")
IN_PROCESS = ("captured:1", "provider:in_process", -1250, "GBP")
Entry = tuple[str, str, int, str]


def write(entry: Entry) -> None:
    with connection.cursor() as cursor:
        cursor.execute(ENTRY, entry)


def write_all(*entries: Entry) -> None:
    """Write all entries in one transaction, with a statement for each, and check them before the commit."""
    with transaction.atomic():
        before = LedgerEntry.objects.count()
        for entry in entries:
            write(entry)
        assert LedgerEntry.objects.count() == before + len(entries)


@pytest.fixture
def written(transactional_db: None) -> None:
    """Write a balanced posting, a fact and an event."""
    write_all(CAPTURED, IN_PROCESS)
    payment = rows.payment("ORDER-1")
    Fact.objects.create(payment=payment, source="saga", kind="captured")
    Event.objects.create(
        merchant=payment.merchant, payment=payment, type="payment.captured", sequence=1, data={}
    )


@pytest.mark.parametrize("table", ["ledger_ledgerentry", "payments_fact", "payments_event"])
@pytest.mark.parametrize(
    ("verb", "statement"),
    [("UPDATE", "UPDATE {table} SET id = id"), ("DELETE", "DELETE FROM {table}")],
)
def test_what_was_written_is_neither_changed_nor_deleted(
    written: None, table: str, verb: str, statement: str
) -> None:
    refused = f"Rows of {table} are never changed or deleted: a {verb}"
    with connection.cursor() as cursor, pytest.raises(IntegrityError, match=refused):
        cursor.execute(statement.format(table=table))
    assert (LedgerEntry.objects.count(), Fact.objects.count(), Event.objects.count()) == (2, 1, 1)


def test_facts_and_events_are_forgotten_only_by_a_transaction_that_says_so(written: None) -> None:
    with transaction.atomic():
        with erasing_on_purpose():
            Event.objects.update(data={"a": 1})
        with pytest.raises(IntegrityError, match="a DELETE of row"), transaction.atomic():
            Event.objects.all().delete()
    assert Event.objects.get().data == {"a": 1}
    with erasing_on_purpose():
        Event.objects.all().delete()
        Fact.objects.update(text="")
    with pytest.raises(IntegrityError, match="a DELETE of row"):
        Fact.objects.all().delete()


def test_the_ledger_is_never_forgotten(written: None) -> None:
    with pytest.raises(IntegrityError, match="never changed or deleted"), erasing_on_purpose():
        LedgerEntry.objects.all().delete()


def test_half_a_posting_is_refused_at_commit(transactional_db: None) -> None:
    with pytest.raises(IntegrityError, match="posting captured:1 do not add up to zero"):
        write_all(CAPTURED)
    assert not LedgerEntry.objects.exists()


def test_whole_postings_are_taken_in_several_statements_of_one_transaction(transactional_db: None) -> None:
    refund = ("refunded:2", "merchant:payable", 300, "GBP")
    write_all(CAPTURED, refund, IN_PROCESS, ("refunded:2", "provider:captured", -300, "GBP"))
    assert LedgerEntry.objects.count() == 4


def test_an_entry_that_is_added_to_a_whole_posting_is_refused(written: None) -> None:
    with pytest.raises(IntegrityError, match="do not add up to zero"):
        write_all(("captured:1", "merchant:payable", 1, "GBP"))
    assert LedgerEntry.objects.count() == 2


@pytest.mark.parametrize(
    "other",
    [
        ("captured:1", "provider:in_process", -1250, "EUR"),
        ("captured:2", "provider:in_process", -1250, "GBP"),
    ],
    ids=["another currency", "another posting"],
)
def test_each_posting_adds_up_by_itself_in_each_currency(transactional_db: None, other: Entry) -> None:
    with pytest.raises(IntegrityError, match="do not add up to zero"):
        write_all(CAPTURED, other)
    assert not LedgerEntry.objects.exists()


def test_the_guard_can_be_taken_down_and_put_up_again(postgresql_url: str) -> None:
    def migrate(app: str, to: str) -> int:
        settings = {"DJANGO_SETTINGS_MODULE": "payments_gateway.settings", "DATABASE_URL": postgresql_url}
        run(
            [sys.executable, "manage.py", "migrate", "--verbosity=0", app, to], {**os.environ, **settings}
        ).check_returncode()
        with psycopg.connect(postgresql_url) as database:
            found = database.execute(
                "SELECT FROM pg_trigger WHERE tgname LIKE '%append_only' AND tgname NOT LIKE 'audit%' "
                "OR tgname LIKE '%zero'"
            )
            return len(found.fetchall())

    assert (migrate("ledger", "zero"), migrate("ledger", "0001")) == (2, 4)
    assert (migrate("payments", "zero"), migrate("payments", "0001")) == (2, 4)
