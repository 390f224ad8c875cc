"""A notification of an unknown order is tried again for a while, and then kept for staff."""

from datetime import timedelta

import msgspec
import pytest
import time_machine
from django.utils import timezone

from checkout.payments.actions import record_notification
from checkout.payments.messages import ApplyNotification
from checkout.payments.models import Attempt, OutboxMessage, ProviderNotification
from checkout.payments.service import service
from checkout.payments.timers.unmatched import try_unmatched_again
from messaging.envelope import Envelope
from messaging.outbox.models import enqueue
from tests.payments.service.asking import authorise
from tests.payments.service.at_once import at_once
from tests.payments.service.delivering import command, deliver
from tests.payments.service.test_notification import body, stored

pytestmark = pytest.mark.django_db
State = ProviderNotification.State


@pytest.fixture(autouse=True)
def _delays(settings) -> None:
    settings.CHECKOUT_INQUIRY_DELAYS = (10, 100)


def a_minute_ago() -> time_machine.travel:
    return time_machine.travel(timezone.now() - timedelta(minutes=1))


@pytest.fixture
def notification(attempt: Attempt) -> ProviderNotification:
    """Return a notification that came before its order was known."""
    authorise(attempt, "unknown")
    Attempt.objects.update(order_code="not-yet")
    row = stored(attempt, body(attempt, "AUTHORISED"))
    look_at(row)
    return row


def look_at(row: ProviderNotification, envelope: Envelope | None = None) -> list[str]:
    sent = envelope or command(ApplyNotification(notification=row.pk))
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


def waiting(attempt: Attempt, count: int, *, order_code: str, is_proven: bool) -> list[bool]:
    """Store so many notifications about one order. Return for each if it will be tried again."""
    rows = [
        stored(
            attempt,
            body(attempt, "AUTHORISED", order_code=order_code, number=f"{is_proven} {number}"),
            is_proven=is_proven,
        )
        for number in range(count)
    ]
    for row in rows:
        look_at(row)
    return [row.next_try_at is not None for row in rows]


def test_only_five_notifications_of_one_unknown_order_wait_at_once(attempt: Attempt):
    expected = [True] * 5 + [False] * 2
    assert waiting(attempt, 7, order_code="a-1", is_proven=False) == expected
    assert waiting(attempt, 7, order_code="b-1", is_proven=False) == expected
    assert waiting(attempt, 7, order_code="a-1", is_proven=True) == expected, "hints take nobody's place"
    assert ProviderNotification.objects.filter(state=State.UNMATCHED).count() == 21


def test_a_hint_is_looked_at_again_twice_at_most(attempt: Attempt, settings):
    settings.CHECKOUT_INQUIRY_DELAYS = (10, 20, 30, 40)
    tries = {}
    for is_proven in (False, True):
        row = stored(attempt, body(attempt, "AUTHORISED", order_code="unknown-1"), is_proven=is_proven)
        look_at(row)
        while row.next_try_at is not None:
            look_at(row)
        tries[is_proven] = row.tries
        row.delete()
    assert tries == {False: 2, True: 4}


def test_an_excerpt_of_a_hint_whose_order_stays_unknown_is_kept_after_the_last_look(attempt: Attempt):
    text = body(attempt, "AUTHORISED", order_code="unknown-1", padding="x" * 10_000)
    row = stored(attempt, text, is_proven=False)
    look_at(row)
    while row.next_try_at is not None:
        assert row.statements is not None
        look_at(row)
    assert (row.body, row.statements) == (text[:4096], None)
    assert look_at(row) == []
    assert row.state == State.UNMATCHED, "a late copy of the command makes nothing of the excerpt"


def test_the_same_command_from_web_and_from_the_timer_is_one_try(attempt: Attempt):
    text = body(attempt, "AUTHORISED").replace(attempt.order_code, "not-yet-1").encode()
    with a_minute_ago():
        recorded = record_notification(attempt.provider_account.code, text, is_proven=True)
    assert (try_unmatched_again(), try_unmatched_again()) == (1, 0)
    row = ProviderNotification.objects.get()
    from_web = recorded.owed
    from_timer = OutboxMessage.objects.get(type=ApplyNotification.to).envelope()
    assert from_web is not None
    for envelope in (from_web, from_timer, from_web):
        look_at(row, envelope)
    assert (row.state, row.tries) == (State.UNMATCHED, 1)


def test_a_command_whose_dead_letter_was_sent_again_meanwhile_holds_up_no_other(attempt: Attempt):
    text = body(attempt, "AUTHORISED").replace(attempt.order_code, "not-yet-1").encode()
    with a_minute_ago():
        record_notification(attempt.provider_account.code, text, is_proven=True)
    row = ProviderNotification.objects.get()
    command = ApplyNotification(notification=row.pk)
    enqueue(OutboxMessage, *command.address, command, message_id=row.command_id)  # as if staff had sent it
    assert try_unmatched_again() == 1
    assert OutboxMessage.objects.filter(type=ApplyNotification.to).count() == 1
    row.refresh_from_db()
    assert row.next_try_at is None
