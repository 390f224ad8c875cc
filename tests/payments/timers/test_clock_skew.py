"""Messages of a process whose clock is ahead are published as soon as others."""

from datetime import datetime, timedelta

import pytest
from django.utils import timezone

from checkout.payments.dead_letters import keep
from checkout.payments.models import Attempt, OutboxMessage, ProviderAccount, ProviderNotification, Saga
from checkout.payments.timers.clock_skew import correct_clock_skew
from checkout.payments.timers.unmatched import try_unmatched_again
from messaging.outbox.models import AbstractOutboxMessage, enqueue
from messaging.outbox.rows import OutboxRows
from tests.payments.service.at_once import beside
from tests.support.services import Greet

pytestmark = [pytest.mark.django_db, pytest.mark.postgresql]
HOURS = timedelta(hours=3)


def written(monkeypatch: pytest.MonkeyPatch, ahead: timedelta, delay_seconds: float) -> AbstractOutboxMessage:
    """Write a message as a process would whose clock is ahead by this time."""
    now = timezone.now

    def wrong() -> datetime:
        return now() + ahead

    with monkeypatch.context() as patch:
        patch.setattr("messaging.outbox.models.timezone.now", wrong)
        return enqueue(OutboxMessage, "greeter", "greet", Greet("you"), delay_seconds=delay_seconds)


def taken() -> list[str]:
    """Return the ids of the messages that a relay would publish now."""
    return [row.message_id for row in OutboxRows(OutboxMessage, keep).take()]


def test_what_was_for_now_is_published_now(monkeypatch: pytest.MonkeyPatch):
    row = written(monkeypatch, HOURS, 0)
    assert taken() == []
    assert (correct_clock_skew(), correct_clock_skew()) == (1, 0)
    assert taken() == [row.message_id]


def test_what_was_for_later_is_published_that_much_later(monkeypatch: pytest.MonkeyPatch):
    message_id = written(monkeypatch, HOURS, 600).message_id
    assert correct_clock_skew() == 1
    row = OutboxMessage.objects.get(message_id=message_id)
    assert row.available_at - row.created_at == timedelta(seconds=600)
    assert abs(timezone.now() - row.created_at) < timedelta(minutes=1)
    assert taken() == []


def test_what_is_dated_rightly_is_left_as_it_is(monkeypatch: pytest.MonkeyPatch):
    written(monkeypatch, timedelta(0), 600)
    written(monkeypatch, -HOURS, 600)
    assert correct_clock_skew() == 0


def test_a_notification_that_nobody_has_looked_at_is_looked_at_as_soon_as_others(account: ProviderAccount):
    later = timezone.now() + HOURS
    for state in ("received", "unmatched"):
        ProviderNotification.objects.create(
            account=account, digest=state, body="{}", state=state, received_at=later, next_try_at=later
        )
    assert try_unmatched_again() == 0
    assert (correct_clock_skew(), correct_clock_skew()) == (1, 0)
    assert try_unmatched_again() == 1
    assert ProviderNotification.objects.get(state="unmatched").next_try_at == later


@pytest.mark.django_db(transaction=True)
def test_what_another_process_is_just_correcting_is_left_to_it(monkeypatch: pytest.MonkeyPatch):
    written(monkeypatch, HOURS, 0)
    assert beside(correct_clock_skew, correct_clock_skew) == [1, 0]


def test_a_deadline_passes_as_soon_as_others(attempt: Attempt):
    """A clock that is ahead by a year for a minute would otherwise make the saga wait for a year."""
    year, wait = timedelta(days=365), timedelta(minutes=2)
    now = timezone.now()
    for key, ahead in (("wrong", year), ("right", timedelta())):
        Saga.objects.create(
            payment=attempt.payment, attempt=attempt, kind="purchase", key=key, step="authorise"
        )
        due = now + ahead + wait
        Saga.objects.filter(key=key).update(updated_at=now + ahead, deadline_at=due, look_at=due)
    right = Saga.objects.filter(key="right").values().get()
    assert (correct_clock_skew(), correct_clock_skew()) == (1, 0)
    wrong = Saga.objects.get(key="wrong")
    assert wrong.deadline_at is not None
    assert wrong.deadline_at - wrong.updated_at == wait
    assert abs(wrong.updated_at - now) < timedelta(minutes=1)
    assert Saga.objects.filter(key="right").values().get() == right
