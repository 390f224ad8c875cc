"""A relay whose clock jumps ahead ends and deletes nothing before its time by the database's clock."""

from datetime import datetime, timedelta

import pytest
from axes.models import AccessAttempt, AccessLog
from django.contrib.sessions.models import Session
from django.utils import timezone

from checkout.api.requests.idempotency import forget_old_answers
from checkout.payments.models import (
    Attempt,
    CardTrial,
    Fact,
    InboxMessage,
    Operation,
    OutboxMessage,
    Payment,
    ProviderAccount,
    ProviderNotification,
    RetentionWalk,
)
from checkout.payments.timers.abandoned import expire_abandoned
from checkout.payments.timers.authorisations import void_expired
from checkout.payments.timers.counted import forget_what_was_counted
from checkout.payments.timers.retention import (
    forget_old_events,
    forget_old_messages,
    forget_old_notifications,
)
from checkout.payments.timers.walk import begin_again_if_due

pytestmark = [pytest.mark.django_db, pytest.mark.postgresql]

AHEAD = timedelta(days=40)


@pytest.fixture
def jump(monkeypatch: pytest.MonkeyPatch):
    """Return a function after whose call this process's clock is 40 days ahead."""
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
    Payment.objects.update(state=Payment.State.AUTHORISED)
    Fact.objects.create(payment=attempt.payment, kind="authorised", source="saga")
    jump()
    assert void_expired() == 0
    assert not Operation.objects.exists()


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
    assert forget_old_messages() == 0
    assert forget_old_notifications().done == 0
    assert forget_old_events().done == 0
    assert forget_old_answers() == 0
    assert OutboxMessage.objects.count() == InboxMessage.objects.count() == 1


def test_log_ins_and_cards_that_are_counted_are_not_forgotten(attempt: Attempt, jump):
    """Otherwise a locked name could be guessed at again, and no limit would know the declined cards."""
    AccessAttempt.objects.create(username="ada", failures_since_start=5)
    AccessLog.objects.create(username="ada")
    Session.objects.create(session_key="s", session_data="", expire_date=timezone.now() + timedelta(hours=8))
    CardTrial.objects.create(attempt=attempt, merchant=attempt.payment.merchant, is_declined=True)
    jump()
    assert forget_what_was_counted() == 0


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
