"""Deadlines and resumptions: each is a command, which moves a flow on once, and not too early."""

from datetime import timedelta

import msgspec
import pytest
from django.utils import timezone

from checkout.conf import conf
from checkout.payments.checkout_messages import PassDeadline, ResumeSaga
from checkout.payments.models import Attempt, Operation, OutboxMessage, Saga
from checkout.payments.sagas.service import service
from checkout.payments.timers.deadlines import enqueue_passed_deadlines
from tests.payments.service.asking import operation_on
from tests.payments.service.delivering import command, deliver
from tests.payments.service.replying import answered
from tests.payments.service.settling import authorised, parked, saga_of, started

pytestmark = pytest.mark.django_db


def overdue(attempt: Attempt) -> Saga:
    return Saga.objects.create(
        kind="purchase",
        key=attempt.order_code,
        payment=attempt.payment,
        attempt=attempt,
        step="await_challenge",
        version=3,
        deadline_at=timezone.now() - timedelta(seconds=1),
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
    Saga.objects.update(deadline_at=saga.deadline_at - timedelta(hours=1))
    assert enqueue_passed_deadlines() == 1


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
