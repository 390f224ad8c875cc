"""A notification of an order that is not known is looked at again until it is, and then kept for staff."""

from datetime import timedelta

import msgspec
import pytest
from django.utils import timezone

from checkout.commands import ApplyNotification
from checkout.messaging.envelope import Envelope
from checkout.models import Attempt, OutboxMessage, ProviderNotification
from checkout.services.payments import service
from checkout.timers.unmatched import try_unmatched_again
from tests.services.asking import authorise
from tests.services.at_once import at_once
from tests.services.delivering import command, deliver
from tests.services.test_notification import body, stored

pytestmark = pytest.mark.django_db
State = ProviderNotification.State


@pytest.fixture(autouse=True)
def _delays(settings) -> None:
    settings.CHECKOUT_INQUIRY_DELAYS = (10, 100)


@pytest.fixture
def notification(attempt: Attempt) -> ProviderNotification:
    """It came before anybody here knew its order."""
    authorise(attempt, "unknown")
    Attempt.objects.update(order_code="not-yet")
    row = stored(attempt, body(attempt, "AUTHORISED"))
    look_at(row)
    return row


def look_at(row: ProviderNotification, envelope: Envelope | None = None) -> list[str]:
    sent = envelope or command("payments.apply_notification", ApplyNotification(notification=row.pk))
    delivered = deliver(service, sent)
    row.refresh_from_db()
    return [command.type for command in delivered.commands]


def let_pass(seconds: float) -> None:
    for row in ProviderNotification.objects.filter(next_try_at__isnull=False):
        assert row.next_try_at is not None
        row.next_try_at -= timedelta(seconds=seconds)
        row.save()


def commands_written() -> list[ApplyNotification]:
    rows = OutboxMessage.objects.filter(type="payments.apply_notification")
    return [msgspec.json.decode(row.body, type=ApplyNotification) for row in rows]


def test_it_is_looked_at_again_when_its_time_has_come(notification: ProviderNotification):
    let_pass(9)
    assert try_unmatched_again() == 0
    let_pass(2)
    assert (try_unmatched_again(), try_unmatched_again()) == (1, 0)
    assert commands_written() == [ApplyNotification(notification=notification.pk)]


def test_it_is_applied_once_its_order_is_known(notification: ProviderNotification, attempt: Attempt):
    Attempt.objects.update(order_code=attempt.order_code)
    assert look_at(notification) == ["checkout.apply_provider_event"]
    assert (notification.state, notification.reason) == (State.APPLIED, "")
    assert (notification.next_try_at, notification.payment) == (None, attempt.payment)


def test_the_next_look_is_later_and_after_the_last_it_is_left_to_staff(notification: ProviderNotification):
    due = []
    while notification.next_try_at is not None:
        due.append(notification.next_try_at - timezone.now())
        look_at(notification)
    assert [round(wait.total_seconds()) for wait in due] == [10, 100]
    assert (notification.state, notification.tries) == (State.UNMATCHED, 2)
    assert try_unmatched_again() == 0


def test_a_command_that_was_lost_is_followed_by_another(notification: ProviderNotification):
    let_pass(10)
    try_unmatched_again()
    let_pass(600)
    assert try_unmatched_again() == 1


@pytest.mark.django_db(transaction=True)
def test_several_relays_look_once(notification: ProviderNotification):
    let_pass(10)
    assert sum(at_once(*[try_unmatched_again] * 4)) == 1
    assert len(commands_written()) == 1
