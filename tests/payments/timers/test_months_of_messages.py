"""In PostgreSQL messages are stored by month: an old month is dropped as a whole."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
import time_machine
from django.db import IntegrityError, OperationalError, connection, transaction
from django.utils import timezone

from checkout.payments.models import InboxMessage, OutboxMessage
from checkout.payments.timers import retention
from checkout.payments.timers.retention import delete_expired_messages
from messaging.envelope import new_message_id
from messaging.outbox.month import Month
from messaging.outbox.months import Months, Rows
from messaging.outbox.partitions import drop, make, months_of
from tests.support.plans import nodes, rows_read

pytestmark = [pytest.mark.django_db, pytest.mark.postgresql]

MARCH, APRIL = datetime(2041, 3, 30, tzinfo=UTC), datetime(2041, 4, 2, tzinfo=UTC)
# Later than the end of March plus the retention.
MAY = datetime(2041, 5, 20, tzinfo=UTC)


@contextmanager
def at(when: datetime) -> Iterator[None]:
    with time_machine.travel(when, tick=False):
        yield


def delete_now() -> int:
    """Delete old messages by the clock of the test, which travels."""
    return delete_expired_messages(now=timezone.now())


def _are_not(rows: Rows) -> bool:
    return False


def months() -> list[str]:
    return [str(month) for month in months_of(connection, OutboxMessage)]


def sent(id: str = "", *, is_published: bool = True) -> str:
    id, now = id or new_message_id(), timezone.now()
    row = OutboxMessage(message_id=id, type="t", body="{}", created_at=now, available_at=now)
    row.published_at = now if is_published else None
    row.save()
    return id


def handled(id: str = "") -> str:
    id, now = id or new_message_id(), timezone.now()
    InboxMessage.objects.create(consumer="c", message_id=id, type="t", received_at=now)
    return id


def left() -> tuple[set[str], set[str]]:
    return (
        set(OutboxMessage.objects.values_list("message_id", flat=True)),
        set(InboxMessage.objects.values_list("message_id", flat=True)),
    )


def test_a_month_stays_while_a_message_of_it_was_sent_again_a_short_time_ago():
    with at(MARCH):
        delete_now()
        again = sent()
    with at(MAY):
        OutboxMessage.objects.filter(message_id=again).update(published_at=timezone.now())
        delete_now()
        assert again in left()[0]
    with at(MAY + timedelta(days=31)):
        delete_now()
        assert again not in left()[0]


def test_a_month_stays_if_staff_send_a_message_of_it_again_between_the_look_at_it_and_its_drop():
    with at(MARCH):
        delete_now()
        again = sent()

    def sent_again_just_now(rows: Rows) -> bool:
        OutboxMessage.objects.filter(message_id=again).update(published_at=None)
        return False

    dropped = Months(OutboxMessage, "default").drop_before(
        MAY - timedelta(days=30),
        are_needed=lambda rows: rows.filter(published_at=None).exists(),
        were_used=sent_again_just_now,
    )
    assert dropped == 0
    assert again in left()[0]


def test_a_month_stays_if_a_message_of_it_is_handled_between_the_look_at_it_and_its_drop():
    """A dead letter may be sent again long after it was written. Without its row, it is handled twice."""
    with at(MARCH):
        delete_now()
        handled()
        late = [new_message_id()]

    def handle_before_lock(execute: Any, sql: str, *rest: Any) -> Any:
        if sql == f"LOCK TABLE {InboxMessage._meta.db_table} IN ACCESS EXCLUSIVE MODE":
            handled(late.pop())
        return execute(sql, *rest)

    with at(MAY), connection.execute_wrapper(handle_before_lock):
        delete_now()
    assert len(left()[1]) == 2


def test_a_new_installation_has_this_month_and_the_next_three():
    month, expected = Month.of(timezone.now()), []
    for _ in range(4):
        expected.append(str(month))
        month = month.next
    assert months()[:4] == expected


def test_a_month_is_dropped_when_all_of_it_is_old():
    with at(MARCH):
        delete_now()
        sent()
        handled()
    with at(APRIL):
        young = {sent()}, {handled()}
    with at(MAY):
        assert delete_now() == 2, "a month of each table"
        assert "2041_03" not in months()
        assert {"2041_04", "2041_08"} <= set(months())
    assert left() == young


def test_a_month_is_not_dropped_before_its_last_message_is_old():
    with at(MARCH):
        delete_now()
        messages = {sent()}, {handled()}
    with at(datetime(2041, 4, 30, tzinfo=UTC)):
        assert delete_now() == 0
    assert left() == messages


def test_a_message_that_is_still_owed_keeps_its_month():
    with at(MARCH):
        delete_now()
        owed = sent(is_published=False)
    with at(MAY):
        assert delete_now() == 1, "the month of handled messages"
    assert left() == ({owed}, set())


def test_a_message_that_was_handled_late_is_remembered_as_long_as_any_other():
    with at(MARCH):
        delete_now()
        handled()
        id = new_message_id()
    with at(MAY - timedelta(days=1)):
        handled(id)
    with at(MAY):
        assert delete_now() == 1, "the month of sent messages"
        assert id in left()[1]
    with at(MAY + timedelta(days=31)):
        delete_now()
    assert left() == (set(), set())


def test_messages_with_foreign_ids_are_forgotten_one_by_one():
    with at(MARCH):
        delete_now()
        sent("order-7")
        handled("order-7")
    with at(APRIL):
        young = {sent("order-8")}, {handled("order-8")}
    with at(datetime(2041, 4, 30, tzinfo=UTC)):
        assert delete_now() == 2
    assert left() == young


def test_messages_that_came_before_their_month_was_made_move_there():
    with at(MARCH):
        messages = {sent()}, {handled()}
        assert "2041_03" not in months()
        delete_now()
        assert "2041_03" in months()
        assert left() == messages
        for repeat, (id,) in ((sent, messages[0]), (handled, messages[1])):
            with pytest.raises(IntegrityError), transaction.atomic():
                repeat(id)
    with at(MAY):
        assert delete_now() == 2
    assert left() == (set(), set())


def test_a_month_that_another_process_makes_or_drops_meanwhile_is_no_error(monkeypatch):
    known = Months._known

    def raced(act: Callable[[Month], None], month: Month) -> None:
        """Let another process act between the look at the months and the decision that follows."""

        def look(own: Months) -> list[Month]:
            found = known(own)
            monkeypatch.setattr(Months, "_known", known)
            act(month)
            return found

        monkeypatch.setattr(Months, "_known", look)

    with at(MARCH):
        raced(lambda month: make(connection, OutboxMessage, month), Month(2041, 4))
        delete_now()
        assert {"2041_03", "2041_04", "2041_05", "2041_06"} <= set(months())
    with at(MAY):
        Months(OutboxMessage, "default").make_ahead(timezone.now())
        raced(lambda month: drop(connection, OutboxMessage, month), Month(2041, 3))
        Months(OutboxMessage, "default").drop_before(MAY - timedelta(days=30), _are_not, _are_not)
        assert "2041_03" not in months()


def test_no_statement_reads_all_of_a_month_however_large_it_is(monkeypatch):
    """Such a statement would exceed the time limit, so that the month would stay for ever."""
    monkeypatch.setattr(retention, "BATCH", 10)
    monkeypatch.setattr(retention, "LOOKED_AT_ONCE", 10)
    read: list[int] = []

    def look_at(execute: Callable[..., Any], sql: str, parameters: Any, *rest: Any) -> Any:
        if sql.startswith("SELECT ") and 'FROM "payments_' in sql:
            with connection.cursor() as cursor:
                # PostgreSQL would read and sort the whole of so small a month.
                cursor.execute("SET LOCAL enable_seqscan = off; SET LOCAL enable_sort = off")
                cursor.execute(f"EXPLAIN (ANALYZE, FORMAT json) {sql}", parameters)
                (explained,) = cursor.fetchone()[0]
            read.append(rows_read(nodes(explained["Plan"])))
        return execute(sql, parameters, *rest)

    with at(MARCH):
        delete_now()
        for _ in range(40):
            sent()
            handled()
    with at(MAY), connection.execute_wrapper(look_at):
        assert delete_now() == 2
    assert 0 < max(read) <= 10


def test_each_part_of_a_month_is_read_by_a_plan_for_that_part(monkeypatch):
    """For a repeated statement PostgreSQL makes a plan for any part, which would read and sort all rows."""
    monkeypatch.setattr(retention, "LOOKED_AT_ONCE", 1)
    with at(MARCH):
        delete_now()
        for _ in range(20):
            sent()
    assert not retention._were_used(OutboxMessage.objects.all(), "published_at", APRIL)
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT sum(custom_plans), sum(generic_plans) FROM pg_prepared_statements "
            "WHERE statement LIKE '%MAX(%payments_outboxmessage%'"
        )
        [(for_a_part, for_any)] = cursor.fetchall()
    assert for_a_part > 10
    assert for_any == 0


@pytest.mark.parametrize("number", range(5))
def test_a_message_that_was_sent_again_is_found_wherever_it_is_in_its_month(monkeypatch, number):
    monkeypatch.setattr(retention, "LOOKED_AT_ONCE", 2)
    with at(MARCH):
        delete_now()
        messages = [sent() for _ in range(5)]
    with at(MAY):
        OutboxMessage.objects.filter(message_id=messages[number]).update(published_at=timezone.now())
        delete_now()
        assert left()[0] == set(messages)
    with at(MAY + timedelta(days=31)):
        delete_now()
        assert left()[0] == set()


@pytest.fixture
def _months_stay_as_they_are(transactional_db) -> Iterator[None]:
    before = {model: months_of(connection, model) for model in (OutboxMessage, InboxMessage)}
    yield
    for model, known in before.items():
        after = set(months_of(connection, model))
        for month in after - {*known}:
            drop(connection, model, month)
        # If a month is made while another test writes into the partition of other rows, that test fails.
        for month in {*known} - after:
            make(connection, model, month)


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("_months_stay_as_they_are")
def test_a_table_that_is_in_use_is_left_alone_until_later():
    with at(MARCH):
        delete_now()
        sent()
        handled()
    parameters = connection.get_connection_params()
    named = {name: parameters[name] for name in ("dbname", "user", "password", "host", "port")}
    with psycopg.connect(**named) as report, at(MAY):
        report.execute("SELECT count(*) FROM payments_outboxmessage")
        with pytest.raises(OperationalError):
            delete_now()
        report.rollback()
        assert delete_now() == 2
    assert left() == (set(), set())
