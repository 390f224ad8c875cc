"""The timer: a passed deadline becomes a command, and another one if that is lost."""

from datetime import timedelta

import msgspec
import pytest
from django.utils import timezone

from checkout.payments.checkout_messages import PassDeadline
from checkout.payments.models import Attempt, OutboxMessage, Saga
from checkout.payments.timers.deadlines import enqueue_passed_deadlines

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
