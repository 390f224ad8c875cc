"""A relay whose clock jumps ahead ends, deletes and delays nothing: the database's clock decides."""

from datetime import datetime, timedelta

import pytest
from axes.models import AccessAttempt, AccessLog
from django.contrib.sessions.models import Session
from django.db.models import F
from django.utils import timezone

from checkout.api.requests.idempotency import delete_expired_answers
from checkout.payments.models import (
    Attempt,
    CardTrial,
    InboxMessage,
    Operation,
    OutboxMessage,
    Payment,
    ProviderAccount,
    ProviderNotification,
    RetentionWalk,
    Saga,
)
from checkout.payments.timers.abandoned import expire_abandoned
from checkout.payments.timers.authorisations import void_expired
from checkout.payments.timers.deadlines import enqueue_passed_deadlines
from checkout.payments.timers.due_checks import deadlines_due_in, notifications_due_in
from checkout.payments.timers.expired_counters import delete_expired_counters
from checkout.payments.timers.retention import (
    delete_expired_events,
    delete_expired_messages,
    delete_expired_notifications,
)
from checkout.payments.timers.table_walk import begin_again_if_due
from checkout.payments.timers.unmatched import try_unmatched_again

pytestmark = [pytest.mark.django_db, pytest.mark.postgresql]

AHEAD = timedelta(days=40)
MINUTES = timedelta(minutes=5)


@pytest.fixture
def jump(monkeypatch: pytest.MonkeyPatch):
    """Return a function that sets this process's clock 40 days ahead."""
    now = timezone.now

    def ahead() -> datetime:
        return now() + AHEAD

    return lambda: monkeypatch.setattr(timezone, "now", ahead)


def test_an_open_payment_does_not_expire(attempt: Attempt, jump):
    Payment.objects.update(state=Payment.State.OPEN)
    jump()
    assert expire_abandoned() == 0


def test_an_open_payment_with_a_time_of_its_own_does_not_expire(attempt: Attempt, jump):
    Payment.objects.update(state=Payment.State.OPEN, expires_at=timezone.now() + timedelta(days=1))
    jump()
    assert expire_abandoned() == 0


def test_an_authorisation_is_not_voided(attempt: Attempt, jump):
    attempt.state = Attempt.State.AUTHORISED
    attempt.save()
    Payment.objects.update(state=Payment.State.AUTHORISED, held_since=timezone.now())
    jump()
    assert void_expired() == 0
    assert not Operation.objects.exists()


@pytest.fixture
def saga(attempt: Attempt) -> Saga:
    """Return a purchase that waits for another five minutes."""
    due = timezone.now() + MINUTES
    return Saga.objects.create(
        kind="purchase",
        key=attempt.order_code,
        payment=attempt.payment,
        attempt=attempt,
        step="await_challenge",
        deadline_at=due,
        look_at=due,
    )


@pytest.fixture
def notification(account: ProviderAccount) -> ProviderNotification:
    """Return a notification whose order is to be looked for in five minutes."""
    return ProviderNotification.objects.create(
        account=account,
        digest="d",
        body="{}",
        state="unmatched",
        received_at=timezone.now(),
        next_try_at=timezone.now() + MINUTES,
    )


def test_a_step_of_a_flow_is_not_ended(saga: Saga, jump):
    jump()
    assert (deadlines_due_in() <= 0, enqueue_passed_deadlines()) == (False, 0)


def test_an_order_is_not_looked_for(notification: ProviderNotification, jump):
    jump()
    assert (notifications_due_in() <= 0, try_unmatched_again()) == (False, 0)


def test_a_deadline_whose_command_is_lost_is_found_again_within_minutes(saga: Saga, jump):
    earlier = F("deadline_at") - 2 * MINUTES
    Saga.objects.update(deadline_at=earlier, look_at=earlier)
    soon = timezone.now() + 3 * MINUTES
    jump()
    assert (deadlines_due_in() <= 0, enqueue_passed_deadlines()) == (True, 1)
    saga.refresh_from_db()
    assert saga.deadline_at is not None
    assert saga.deadline_at < soon


def test_a_notification_whose_command_is_lost_is_tried_again_within_minutes(
    notification: ProviderNotification, jump
):
    ProviderNotification.objects.update(next_try_at=F("next_try_at") - 2 * MINUTES)
    soon = timezone.now() + 3 * MINUTES
    jump()
    assert (notifications_due_in() <= 0, try_unmatched_again()) == (True, 1)
    notification.refresh_from_db()
    assert notification.next_try_at is not None
    assert notification.next_try_at < soon


def test_messages_and_notifications_are_not_deleted(account: ProviderAccount, jump):
    now = timezone.now()
    OutboxMessage.objects.create(
        message_id="m", type="t", body="{}", created_at=now, available_at=now, published_at=now
    )
    InboxMessage.objects.create(consumer="c", message_id="m", type="t", received_at=now)
    ProviderNotification.objects.create(
        account=account, digest="d", body="{}", is_proven=False, state="ignored", received_at=now
    )
    jump()
    assert delete_expired_messages() == 0
    assert delete_expired_notifications().done == 0
    assert delete_expired_events().done == 0
    assert delete_expired_answers() == 0
    assert OutboxMessage.objects.count() == InboxMessage.objects.count() == 1


def test_log_ins_and_cards_that_are_counted_are_not_forgotten(attempt: Attempt, jump):
    """A locked name could otherwise be guessed at again, and no limit would know the declined cards."""
    AccessAttempt.objects.create(username="ada", failures_since_start=5)
    AccessLog.objects.create(username="ada")
    Session.objects.create(session_key="s", session_data="", expire_date=timezone.now() + timedelta(hours=8))
    CardTrial.objects.create(attempt=attempt, merchant=attempt.payment.merchant, is_declined=True)
    jump()
    assert delete_expired_counters() == 0


def test_a_walk_begins_again_although_a_process_whose_clock_was_ahead_began_the_last_one(jump):
    """Operations that were left to staff would otherwise never be begun, once staff have dealt with them."""
    walk = RetentionWalk.objects.create(table="t", last_pk=17, is_at_end=True)
    jump()
    RetentionWalk.objects.update(began_at=timezone.now())
    walk.refresh_from_db()
    begin_again_if_due(walk)
    assert walk.last_pk == 0
    assert walk.began_at < timezone.now() - AHEAD + timedelta(minutes=1)
    walk.last_pk = 17
    begin_again_if_due(walk)
    assert walk.last_pk == 17
