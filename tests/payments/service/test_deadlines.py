"""Deadlines and resumptions: each is a command that moves a saga on once, and not too early."""

from datetime import timedelta
from typing import Any

import msgspec
import pytest
from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from checkout.conf import conf
from checkout.payments.checkout_messages import PassDeadline, ResumeSaga
from checkout.payments.models import Attempt, Operation, OutboxMessage, Saga
from checkout.payments.sagas.service import service
from checkout.payments.timers.deadlines import enqueue_passed_deadlines
from checkout.payments.timers.due_checks import deadlines_due_in
from tests.payments.service.asking import operation_on
from tests.payments.service.delivering import command, deliver
from tests.payments.service.replying import answered
from tests.payments.service.settling import authorised, parked, saga_of, started

pytestmark = pytest.mark.django_db


def overdue(attempt: Attempt, **changes: Any) -> Saga:
    long_ago = timezone.now() - timedelta(seconds=1)
    return Saga.objects.create(
        kind="purchase",
        key=attempt.order_code,
        payment=attempt.payment,
        attempt=attempt,
        step="await_challenge",
        version=3,
        **{"deadline_at": long_ago, "look_at": long_ago, **changes},
    )


def test_a_passed_deadline_becomes_one_command(attempt: Attempt) -> None:
    saga = overdue(attempt)
    assert (enqueue_passed_deadlines(), enqueue_passed_deadlines()) == (1, 0)
    row = OutboxMessage.objects.get(type="checkout.pass_deadline")
    assert msgspec.json.decode(row.body, type=PassDeadline) == PassDeadline(saga=saga.pk, version=3)


def test_a_saga_that_the_command_never_reached_is_found_again(attempt: Attempt) -> None:
    saga = overdue(attempt)
    enqueue_passed_deadlines()
    saga.refresh_from_db()
    assert saga.deadline_at is not None
    earlier = saga.deadline_at - timedelta(hours=1)
    Saga.objects.update(deadline_at=earlier, look_at=earlier)
    assert enqueue_passed_deadlines() == 1


def commands() -> int:
    return OutboxMessage.objects.filter(type="checkout.pass_deadline").count()


def test_a_flow_that_has_moved_on_is_looked_at_again_at_its_present_deadline(attempt: Attempt) -> None:
    saga = overdue(attempt, deadline_at=timezone.now() + timedelta(minutes=5))
    assert (deadlines_due_in() <= 0, enqueue_passed_deadlines(), commands()) == (True, 1, 0)
    assert (deadlines_due_in() <= 0, enqueue_passed_deadlines()) == (False, 0)
    saga.refresh_from_db()
    assert saga.look_at == saga.deadline_at
    earlier = timezone.now() - timedelta(seconds=1)
    Saga.objects.update(deadline_at=earlier, look_at=earlier)
    assert (enqueue_passed_deadlines(), commands()) == (1, 1)


def test_a_flow_that_waits_for_another_is_not_looked_at_again(attempt: Attempt) -> None:
    overdue(attempt, deadline_at=None)
    assert (enqueue_passed_deadlines(), enqueue_passed_deadlines(), commands()) == (1, 0, 0)


def test_a_deadline_that_is_looked_at_too_late_cannot_be_stored(attempt: Attempt) -> None:
    later = timezone.now() + timedelta(minutes=5)
    for look_at in (later, None):
        with pytest.raises(IntegrityError), transaction.atomic():
            overdue(attempt, look_at=look_at)


def test_the_timer_looks_at_the_earliest_deadline_until_the_flow_ends() -> None:
    now = timezone.now()
    saga = Saga()
    looked_at = []
    for minutes in (5, 7, None, 6, 4, 9):
        saga.wait_until(None if minutes is None else now + timedelta(minutes=minutes))
        assert saga.look_at is not None
        looked_at.append((saga.look_at - now) // timedelta(minutes=1))
    assert looked_at == [5, 5, 5, 5, 4, 4]
    saga.status = Saga.Status.PARKED
    saga.wait_until(None)
    assert saga.look_at is None


def updates_with_index_entries() -> int:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT n_tup_upd - n_tup_hot_upd FROM pg_stat_xact_user_tables WHERE relname = 'payments_saga'"
        )
        count: int = cursor.fetchone()[0]
    return count


@pytest.mark.postgresql
def test_a_step_forward_needs_no_new_entry_in_an_index(attempt: Attempt) -> None:
    with connection.cursor() as cursor:
        # A row on a full page needs new index entries, whichever columns change.
        cursor.execute("TRUNCATE payments_saga CASCADE")
    operation = operation_on(authorised(attempt), Operation.Kind.CAPTURE)
    started(operation)
    before = updates_with_index_entries()
    answered(saga_of(operation), outcome="unknown")
    assert updates_with_index_entries() == before


def test_the_time_for_an_answer_begins_when_the_question_is_sent(attempt: Attempt) -> None:
    operation = operation_on(authorised(attempt), Operation.Kind.CAPTURE)
    started(operation)
    saga = saga_of(operation)
    for delay_seconds in conf.inquiry_delays:
        answered(saga, outcome="unknown")
        assert saga.deadline_at is not None
        asked_at = OutboxMessage.objects.latest("pk").available_at
        assert saga.deadline_at >= asked_at + conf.provider_wait - timedelta(seconds=1), delay_seconds


def test_a_copy_of_a_resumption_does_not_resume_a_flow_that_was_parked_again(attempt: Attempt) -> None:
    saga = saga_of(parked(authorised(attempt), Operation.Kind.CAPTURE))
    resumption = ResumeSaga(saga=saga.pk, version=saga.version)
    deliver(service, command(resumption))
    saga.refresh_from_db()
    assert saga.status == Saga.Status.RUNNING
    while saga.status != Saga.Status.PARKED:
        answered(saga, outcome="unknown")
    version = saga.version
    deliver(service, command(resumption))
    saga.refresh_from_db()
    assert (saga.status, saga.version) == (Saga.Status.PARKED, version)
