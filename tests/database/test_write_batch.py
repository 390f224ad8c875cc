"""Writes that wait for the end of their transaction have the same effect as immediate ones."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from django.db import DatabaseError, IntegrityError, connection, transaction
from django.db.models.expressions import RawSQL
from django.db.models.functions import Now
from django.db.transaction import TransactionManagementError
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from psycopg import _queries

from checkout.orders.models import Reservation, StockItem
from checkout.payments.models import OutboxMessage
from messaging.compiled_queries import (
    Compiled,
    batch,
    delete_in_batch,
    insert_in_batch,
    insert_unless_known,
    update_in_batch,
)
from messaging.outbox.clock import server_time

# Each test commits: an error at the end of a transaction is part of what is tested.
pytestmark = pytest.mark.django_db(transaction=True)

_IN_STOCK = Compiled(lambda sku: StockItem.objects.filter(sku=sku))


class KnownAlready(Exception):
    pass


def an_item(sku: str = "mug", quantity: int = 3) -> StockItem:
    return StockItem(
        merchant_code="shop",
        sku=sku,
        name=sku.title(),
        price_minor=1200,
        currency="GBP",
        quantity=quantity,
    )


def in_stock(sku: str = "mug") -> int:
    return StockItem.objects.get(sku=sku).quantity


@pytest.fixture
def mug() -> StockItem:
    item = an_item()
    item.save()
    return item


@contextmanager
def transaction_with_batch() -> Iterator[CaptureQueriesContext]:
    with CaptureQueriesContext(connection) as queries, transaction.atomic(), batch():
        yield queries


def changes(queries: CaptureQueriesContext) -> list[str]:
    words = ("INSERT", "UPDATE", "DELETE", "WITH")
    return [each["sql"] for each in queries.captured_queries if each["sql"].startswith(words)]


def test_what_was_collected_is_there_after_the_commit(mug):
    plate = an_item("plate")
    with transaction_with_batch():
        insert_in_batch(plate)
        mug.quantity = 2
        update_in_batch(mug, "quantity")
        mug.quantity = 99  # the batch does not know of it
    assert (in_stock("plate"), in_stock("mug")) == (3, 2)


def test_postgresql_gets_one_statement(mug):
    if connection.vendor != "postgresql":
        pytest.skip("PostgreSQL's own way")
    with transaction_with_batch() as queries:
        update_in_batch(mug, "quantity")
        insert_in_batch(an_item("plate"))
        insert_in_batch(an_item("bowl"))
        insert_in_batch(Reservation(payment_reference="pay_1", lines=[]))
    assert len(changes(queries)) == 1


def test_rows_of_one_table_are_numbered_in_the_order_in_which_they_were_written(db):
    with transaction_with_batch():
        for sku in ("c", "a", "b"):
            insert_in_batch(an_item(sku))
            insert_in_batch(Reservation(payment_reference=sku, lines=[]))
    assert list(StockItem.objects.order_by("pk").values_list("sku", flat=True)) == ["c", "a", "b"]


def test_a_reader_in_the_transaction_sees_what_was_written_before(mug):
    with transaction_with_batch():
        mug.quantity = 1
        update_in_batch(mug, "quantity")
        assert in_stock() == 1
        mug.quantity = 0
        update_in_batch(mug, "quantity")
        assert [item.quantity for item in _IN_STOCK.all("mug")] == [0]
        delete_in_batch(mug)
        assert not StockItem.objects.exists()


def test_a_statement_that_counts_on_a_write_comes_after_it(db):
    """An update through Django finds a row that waits to be inserted."""
    with transaction_with_batch():
        insert_in_batch(an_item())
        StockItem.objects.filter(sku="mug").update(quantity=7)
    assert in_stock() == 7


def test_reading_another_table_does_not_split_the_statement(mug):
    with transaction_with_batch() as queries:
        update_in_batch(mug, "quantity")
        assert not Reservation.objects.exists()
        insert_in_batch(an_item("plate"))
        assert not Reservation.objects.select_for_update().exists()
    read = [number for number, each in enumerate(queries.captured_queries) if "reservation" in each["sql"]]
    written = [
        number for number, each in enumerate(queries.captured_queries) if each["sql"] in changes(queries)
    ]
    assert len(read) == 2
    assert max(read) < min(written)


def test_a_row_that_is_changed_twice_has_both_changes(mug):
    with transaction_with_batch():
        mug.quantity = 1
        update_in_batch(mug, "quantity")
        mug.name = "Cup"
        update_in_batch(mug, "name", by="sku")
        mug.name = "Beaker"
        update_in_batch(mug, "name")
    item = StockItem.objects.get()
    assert (item.quantity, item.name) == (1, "Beaker")


def test_an_update_writes_when_it_happened(db):
    row = Reservation.objects.create(payment_reference="pay_1", lines=[])
    before = row.updated_at
    with transaction_with_batch():
        row.state = Reservation.State.CONFIRMED
        update_in_batch(row, "state")
    row.refresh_from_db()
    assert row.updated_at > before


def test_a_known_row_raises_the_error_that_was_asked_for(mug):
    def write_it_again() -> None:
        with transaction_with_batch():
            insert_in_batch(Reservation(payment_reference="pay_1", lines=[]))
            insert_in_batch(an_item("mug"), or_raise=KnownAlready())
            insert_in_batch(an_item("plate"))

    with pytest.raises(KnownAlready):
        write_it_again()
    assert not Reservation.objects.exists()
    assert StockItem.objects.count() == 1


def test_a_known_row_without_such_an_error_violates_its_constraint(mug):
    def write_it_again() -> None:
        with transaction_with_batch():
            insert_in_batch(Reservation(payment_reference="pay_1", lines=[]))
            insert_in_batch(an_item("mug"))

    with pytest.raises(IntegrityError):
        write_it_again()
    assert not Reservation.objects.exists()


@pytest.mark.parametrize("others", [0, 1])
def test_a_row_that_is_not_there_cannot_be_updated(mug, others):
    gone = an_item("gone")
    gone.pk = mug.pk + 1

    def change_it() -> None:
        with transaction_with_batch():
            for number in range(others):
                insert_in_batch(Reservation(payment_reference=f"pay_{number}", lines=[]))
            update_in_batch(gone, "quantity")

    with pytest.raises(DatabaseError, match="no such stock item"):
        change_it()
    assert not Reservation.objects.exists()


def test_a_row_that_is_gone_need_not_be_deleted(mug):
    gone = an_item("gone")
    gone.pk = mug.pk + 1
    with transaction_with_batch():
        delete_in_batch(mug, gone)
    assert not StockItem.objects.exists()


def test_a_failed_block_writes_nothing(mug):
    def fail() -> None:
        with transaction_with_batch():
            insert_in_batch(an_item("plate"))
            raise KnownAlready

    with pytest.raises(KnownAlready):
        fail()
    with transaction_with_batch():
        insert_in_batch(an_item("bowl"))
    assert set(StockItem.objects.values_list("sku", flat=True)) == {"mug", "bowl"}


def test_what_was_written_in_a_savepoint_is_undone_with_it(mug):
    def fail() -> None:
        with transaction.atomic():
            mug.quantity = 1
            update_in_batch(mug, "quantity")
            insert_in_batch(an_item("plate"))
            raise KnownAlready

    with transaction_with_batch():
        mug.quantity = 2
        update_in_batch(mug, "quantity")
        with pytest.raises(KnownAlready):
            fail()
        insert_in_batch(an_item("bowl"))
    assert in_stock() == 2
    assert set(StockItem.objects.values_list("sku", flat=True)) == {"mug", "bowl"}


def test_what_was_collected_in_a_savepoint_is_not_written_when_that_is_undone(mug):
    """Not even for a moment: the write could fail, and with it the whole transaction."""

    def fail() -> None:
        with transaction.atomic():
            insert_in_batch(an_item("mug"))  # it is known already
            raise KnownAlready

    with transaction_with_batch():
        with pytest.raises(KnownAlready):
            fail()
        insert_in_batch(an_item("bowl"))
    assert set(StockItem.objects.values_list("sku", flat=True)) == {"mug", "bowl"}


def test_what_follows_another_write_of_its_row_comes_after_it(mug):
    with transaction_with_batch():
        mug.quantity = 0
        update_in_batch(mug, "quantity")
        delete_in_batch(mug)
        insert_in_batch(an_item("mug", quantity=5))
        again = an_item("mug", quantity=4)
        update_in_batch(again, "quantity", by="sku")
    assert in_stock() == 4


def test_a_statement_that_fails_in_a_savepoint_leaves_the_rest(mug):
    with transaction_with_batch():
        insert_in_batch(an_item("plate"))
        assert not insert_unless_known(an_item("mug"))
        with pytest.raises(IntegrityError), transaction.atomic():
            an_item("plate").save()
        insert_in_batch(an_item("bowl"))
    assert StockItem.objects.count() == 3


def test_a_batch_within_another_is_a_part_of_it(mug):
    with transaction_with_batch() as queries:
        with batch():
            update_in_batch(mug, "quantity")
        assert changes(queries) == []
    assert len(changes(queries)) == 1


def test_without_a_batch_everything_is_written_at_once(mug):
    insert_in_batch(an_item("plate"))
    mug.quantity = 0
    update_in_batch(mug, "quantity")
    assert (in_stock("plate"), in_stock("mug")) == (3, 0)
    delete_in_batch(mug)
    assert StockItem.objects.count() == 1
    with pytest.raises(KnownAlready):
        insert_in_batch(an_item("plate"), or_raise=KnownAlready())


def test_nothing_at_all_is_no_statement(db):
    with transaction_with_batch() as queries:
        insert_in_batch()
        delete_in_batch()
    assert changes(queries) == []


def test_a_batch_needs_a_transaction(db):
    with pytest.raises(TransactionManagementError), batch():
        pass


def test_an_expression_is_written_by_the_database(db):
    row = Reservation(payment_reference="pay_1", lines=[])
    row.created_at = Now()
    with transaction_with_batch():
        insert_in_batch(row)
        insert_in_batch(an_item("plate"))
    written = Reservation.objects.get()
    assert abs(written.created_at - timezone.now()) < timedelta(minutes=1)
    written.created_at = Now()
    with transaction_with_batch():
        update_in_batch(written, "created_at", "lines")
    assert Reservation.objects.get().lines == []


@pytest.fixture
def is_postgresql() -> None:
    if connection.vendor != "postgresql":
        pytest.skip("BEGIN and COMMIT are left out on PostgreSQL only")


def insert_and_roll_back(sku: str, *, is_last: bool) -> None:
    with transaction.atomic():
        with batch(is_last=is_last):
            insert_in_batch(an_item(sku))
            insert_in_batch(Reservation(payment_reference=sku, lines=[]))
        transaction.set_rollback(True)


def test_a_transaction_of_one_statement_has_no_begin_and_no_commit(is_postgresql):
    insert_and_roll_back("cup", is_last=False)
    insert_and_roll_back("mug", is_last=True)
    assert [item.sku for item in StockItem.objects.all()] == ["mug"], "there was nothing to roll back"
    assert Reservation.objects.get().payment_reference == "mug"


def test_a_transaction_of_one_statement_writes_nothing_if_one_of_its_rows_is_known(is_postgresql, mug):
    def write_both() -> None:
        with transaction.atomic(), batch(is_last=True):
            insert_in_batch(an_item("cup"))
            insert_in_batch(an_item("mug"), or_raise=KnownAlready())

    for _ in range(2):
        with pytest.raises(KnownAlready):
            write_both()
    assert [item.sku for item in StockItem.objects.all()] == ["mug"]
    with pytest.raises(IntegrityError), transaction.atomic(), batch(is_last=True):
        insert_in_batch(an_item("mug"))
    assert connection.get_autocommit(), "the connection is as it was"


def test_after_another_statement_it_is_a_part_of_the_transaction(is_postgresql, mug):
    with transaction.atomic():
        with batch(is_last=True):
            StockItem.objects.select_for_update().get()
            insert_in_batch(an_item("cup"))
        transaction.set_rollback(True)
    assert [item.sku for item in StockItem.objects.all()] == ["mug"]


def test_a_row_is_given_the_time_that_the_database_has_chosen(mug):
    row = OutboxMessage(message_id="1", created_at=timezone.now(), available_at=server_time())
    with transaction_with_batch():
        insert_in_batch(row, read_back="available_at")
        mug.quantity = 5
        update_in_batch(mug, "quantity")
    assert row.available_at == OutboxMessage.objects.get().available_at
    assert in_stock() == 5


def test_a_batch_of_many_values_is_parsed_once(is_postgresql, monkeypatch):
    parsed: list[bytes] = []
    split = _queries._split_query

    def counted(query: bytes, *rest: Any) -> Any:
        parsed.append(query)
        return split(query, *rest)

    monkeypatch.setattr(_queries, "_split_query", counted)

    def insert_ten(first: int) -> None:
        with transaction.atomic(), batch():
            insert_in_batch(*(an_item(f"cup {number}") for number in range(first, first + 10)))

    insert_ten(0)
    parsed.clear()
    insert_ten(10)
    assert StockItem.objects.count() == 20
    assert not [query for query in parsed if b"INSERT" in query]


def test_a_per_cent_sign_in_an_expression_stays_one(is_postgresql):
    item = an_item("cup")
    item.name = RawSQL("'100 %%'", ())
    with transaction.atomic(), batch():
        insert_in_batch(item)
    assert StockItem.objects.get().name == "100 %"
