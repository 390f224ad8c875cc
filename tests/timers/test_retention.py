"""What is old and done is forgotten; what is owed, or young, is not."""

from datetime import timedelta

import pytest
from django.utils import timezone

from checkout.models import InboxMessage, OutboxMessage
from checkout.timers.retention import ROWS, forget_old_messages

pytestmark = pytest.mark.django_db

OLD, YOUNG = timedelta(hours=2), timedelta(minutes=59)


@pytest.fixture(autouse=True)
def _an_hour(settings) -> None:
    settings.CHECKOUT_RETENTION_SECONDS = 3600


def sent(name: str, published: timedelta | None, written: timedelta = OLD) -> OutboxMessage:
    now = timezone.now()
    return OutboxMessage(
        message_id=name,
        type="t",
        body="{}",
        created_at=now - written,
        available_at=now - written,
        published_at=None if published is None else now - published,
    )


def handled(name: str, age: timedelta) -> InboxMessage:
    when = timezone.now() - age
    return InboxMessage(consumer="c", message_id=name, type="t", received_at=when, handled_at=when)


def test_old_messages_are_forgotten_and_young_ones_are_not():
    OutboxMessage.objects.bulk_create([sent("old", OLD), sent("young", YOUNG)])
    InboxMessage.objects.bulk_create([handled("old", OLD), handled("young", YOUNG)])
    assert (forget_old_messages(), forget_old_messages()) == (2, 0)
    assert [row.message_id for row in OutboxMessage.objects.all()] == ["young"]
    assert [row.message_id for row in InboxMessage.objects.all()] == ["young"]


def test_what_is_still_owed_is_never_forgotten():
    OutboxMessage.objects.bulk_create([sent("owed", None, written=timedelta(days=999))])
    assert forget_old_messages() == 0


def test_any_number_of_rows_that_must_stay_do_not_keep_those_behind_them():
    OutboxMessage.objects.bulk_create(
        [*(sent(f"owed {number}", None) for number in range(2 * ROWS)), sent("old", OLD)]
    )
    assert (forget_old_messages(), forget_old_messages()) == (1, 0)
    assert OutboxMessage.objects.count() == 2 * ROWS


def test_rows_that_are_too_young_are_not_walked_through(django_assert_max_num_queries):
    OutboxMessage.objects.bulk_create(sent(f"m{number}", YOUNG, written=YOUNG) for number in range(2 * ROWS))
    with django_assert_max_num_queries(4):
        assert forget_old_messages() == 0


def test_a_backlog_is_worked_off_in_batches():
    OutboxMessage.objects.bulk_create(sent(f"m{number}", OLD) for number in range(ROWS + 1))
    assert [forget_old_messages() for _ in range(3)] == [ROWS, 1, 0]
