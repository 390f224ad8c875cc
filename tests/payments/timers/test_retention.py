"""Old and finished rows are deleted; open or recent ones are not."""

import asyncio
from contextlib import suppress
from datetime import timedelta

import pytest
import time_machine
from django.db import OperationalError, connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from checkout.money import Money
from checkout.payments.actions import cancel_payment, create_payment
from checkout.payments.models import (
    Event,
    EventPosition,
    InboxMessage,
    OutboxMessage,
    Payment,
    ProviderAccount,
    ProviderNotification,
    RetentionWalk,
)
from checkout.payments.timers.retention import (
    delete_expired_events,
    delete_expired_messages,
    delete_expired_notifications,
)
from checkout.payments.timers.table_walk import ROWS, locked_walk
from checkout.payments.timers.timer import Timer, Work
from checkout.running.relay import timers
from tests.backoffice import rows
from tests.payments.service.at_once import beside
from tests.payments.service.conftest import _credentials, account
from tests.support.given_up import give_up

__all__ = ["_credentials", "account"]

pytestmark = pytest.mark.django_db

OLD, YOUNG = timedelta(hours=2), timedelta(minutes=59)


@pytest.fixture(autouse=True)
def _an_hour(settings) -> None:
    settings.CHECKOUT_RETENTION_SECONDS = settings.CHECKOUT_EVENT_SECONDS = 3600


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
    assert (delete_expired_messages(), delete_expired_messages()) == (2, 0)
    assert [row.message_id for row in OutboxMessage.objects.all()] == ["young"]
    assert [row.message_id for row in InboxMessage.objects.all()] == ["young"]


def test_a_database_that_is_away_keeps_none_of_the_others_from_being_cleared(own_database):
    own_database.empty("ledger")
    own_database("risk")
    for database in ("default", "risk"):
        OutboxMessage.objects.using(database).bulk_create([sent("old", OLD)])
    for timer in timers(asyncio.Event()):
        if timer.name.startswith("old messages"):
            with suppress(OperationalError):
                timer.act()
    for database in ("default", "risk"):
        assert not OutboxMessage.objects.using(database).exists()


def test_what_was_given_up_is_forgotten_like_any_other_message():
    row = sent("rejected", None, written=OLD)
    row.save()
    give_up(row)
    assert delete_expired_messages() == 0, "staff may have its dead letter sent again"
    OutboxMessage.objects.update(published_at=timezone.now() - OLD, given_up_at=timezone.now() - OLD)
    assert delete_expired_messages() == 1


def test_what_is_still_owed_is_never_forgotten():
    OutboxMessage.objects.bulk_create([sent("owed", None, written=timedelta(days=999))])
    assert delete_expired_messages() == 0


def test_any_number_of_rows_that_must_stay_do_not_keep_those_behind_them():
    OutboxMessage.objects.bulk_create(
        [*(sent(f"owed {number}", None) for number in range(2 * ROWS)), sent("old", OLD)]
    )
    assert (delete_expired_messages(), delete_expired_messages()) == (1, 0)
    assert OutboxMessage.objects.count() == 2 * ROWS


def test_rows_that_are_too_young_are_not_walked_through():
    OutboxMessage.objects.bulk_create(sent(f"m{number}", YOUNG, written=YOUNG) for number in range(2 * ROWS))
    with CaptureQueriesContext(connection) as statements:
        assert delete_expired_messages() == 0
    table = connection.ops.quote_name(OutboxMessage._meta.db_table)
    pages = [each for each in statements if f"FROM {table}" in each["sql"] and "LIMIT" in each["sql"]]
    assert len(pages) == 1


def test_a_backlog_is_worked_off_in_batches():
    OutboxMessage.objects.bulk_create(sent(f"m{number}", OLD) for number in range(ROWS + 1))
    assert [delete_expired_messages() for _ in range(3)] == [ROWS, 1, 0]


def received(account: ProviderAccount, state: str, age: timedelta, **columns: object) -> ProviderNotification:
    number = ProviderNotification.objects.count()
    when = timezone.now() - age
    return ProviderNotification.objects.create(
        account=account, digest=str(number), body="", state=state, received_at=when, **columns
    )


def test_old_hints_and_what_staff_dealt_with_are_forgotten_and_nothing_else_that_is_proven(account):
    dealt_with = {"is_proven": True, "dealt_with_at": timezone.now()}
    for state in ("applied", "unmatched", "conflicted", "unreadable"):
        received(account, state, OLD)
    for state in ("unmatched", "unreadable"):
        received(account, state, OLD, **dealt_with)
    kept = [
        received(account, "received", OLD),
        *(received(account, state, YOUNG) for state in ("applied", "unmatched", "unreadable")),
        *(
            received(account, state, OLD, is_proven=True)
            for state in ("received", "applied", "unmatched", "conflicted", "unreadable")
        ),
        received(account, "applied", OLD, **dealt_with),
        received(account, "conflicted", OLD, **dealt_with),
        received(account, "unmatched", YOUNG, **dealt_with),
    ]
    assert (delete_expired_notifications().done, delete_expired_notifications().done) == (6, 0)
    assert set(ProviderNotification.objects.all()) == set(kept)


def test_notifications_are_walked_through_in_batches_and_again_from_the_beginning(account):
    def written(count: int, **columns: object) -> None:
        first = ProviderNotification.objects.count()
        ProviderNotification.objects.bulk_create(
            ProviderNotification(
                account=account,
                digest=str(number),
                body="",
                state="applied",
                received_at=timezone.now() - OLD,
                **columns,
            )
            for number in range(first, first + count)
        )

    written(ROWS, is_proven=True)
    written(1, is_proven=False)
    assert delete_expired_notifications() == Work(0, has_more=True), "the timer goes on without a pause"
    assert ProviderNotification.objects.count() == ROWS + 1
    assert delete_expired_notifications() == Work(1, has_more=False)
    ProviderNotification.objects.filter(digest="0").update(is_proven=False)
    nothing = Work(0, has_more=False)
    assert delete_expired_notifications() == nothing, (
        "a table of survivors is not walked through all the time"
    )
    RetentionWalk.objects.update(began_at=timezone.now() - timedelta(days=1))
    assert delete_expired_notifications() == Work(1, has_more=True)
    assert ProviderNotification.objects.count() == ROWS - 1


def test_a_walk_goes_on_after_a_restart_where_it_was(account):
    ProviderNotification.objects.bulk_create(
        ProviderNotification(
            account=account,
            digest=str(number),
            body="",
            state="applied",
            is_proven=True,
            received_at=timezone.now() - OLD,
        )
        for number in range(ROWS + 1)
    )
    delete_expired_notifications()
    (first,) = timers_named("old notifications")
    ProviderNotification.objects.filter(digest="0").update(is_proven=False)
    assert first.act() == Work(0, has_more=False)


def timers_named(name: str) -> list[Timer]:
    return [each for each in timers(asyncio.Event()) if each.name == name]


def told(payment: Payment, sequence: int, type: str, age: timedelta) -> Event:
    return Event.objects.create(
        merchant_id=payment.merchant_id,
        payment=payment,
        type=type,
        sequence=sequence,
        data={"object": {}},
        created_at=timezone.now() - age,
    )


@pytest.fixture
def all_published() -> EventPosition:
    """Mark every event as published."""
    return EventPosition.objects.create(pk=1, last_pk=2**40)


def test_an_event_that_has_not_been_published_is_not_forgotten(account):
    payment = rows.payment("A-1")
    first, second, _ = (told(payment, sequence, "payment.created", OLD) for sequence in (1, 2, 3))
    EventPosition.objects.create(pk=1, last_pk=first.pk)
    delete_expired_events()
    assert Event.objects.order_by("pk").first() == second


def test_old_events_are_forgotten_but_those_from_a_payments_own_last_one_on(account, all_published):
    payment, other = rows.payment("A-1"), rows.payment("A-2")
    for sequence, type in enumerate(("payment.created", "capture.requested", "payment.captured"), 1):
        told(payment, sequence, type, OLD)
    told(payment, 4, "refund.refused", OLD)
    told(other, 1, "payment.created", OLD)
    told(other, 2, "capture.requested", YOUNG)
    told(other, 3, "payment.processing", YOUNG)
    assert (delete_expired_events().done, delete_expired_events().done) == (3, 0)
    kept = Event.objects.order_by("payment", "sequence").values_list("payment", "sequence")
    assert list(kept) == [(payment.pk, 3), (payment.pk, 4), (other.pk, 2), (other.pk, 3)]


def test_pages_of_events_that_stay_hold_up_none_of_those_behind_them(account, all_published, settings):
    def written(first: int, count: int, age: timedelta, *types: str) -> None:
        payments = Payment.objects.bulk_create(
            Payment(merchant=rows.merchant(), order_reference=str(n), amount_minor=1250, currency="EUR")
            for n in range(first, first + count)
        )
        Event.objects.bulk_create(
            Event(
                merchant_id=payment.merchant_id,
                payment=payment,
                type=type,
                sequence=sequence,
                data={},
                created_at=timezone.now() - age,
            )
            for payment in payments
            for sequence, type in enumerate(types, 1)
        )

    written(0, 2 * ROWS, OLD, "payment.created")
    written(2 * ROWS, 10, OLD, "payment.created", "payment.expired")
    written(2 * ROWS + 10, 10, YOUNG, "payment.created", "payment.expired")
    rounds = 1
    while delete_expired_events().has_more:
        rounds += 1
    assert rounds == 3
    assert Event.objects.count() == 2 * ROWS + 10 + 20
    settings.CHECKOUT_EVENT_SECONDS = YOUNG.total_seconds()
    assert delete_expired_events().done == 10, "it goes on where the young ones began"


def test_a_payment_whose_events_were_forgotten_goes_on_numbering_them(account, all_published, settings):
    settings.CHECKOUT_EVENT_SECONDS = 0.001
    payment = create_payment(
        rows.merchant(), order_reference="A-1", amount=Money(1250, "EUR"), lines=[], description="Tea"
    )
    with time_machine.travel(timezone.now() + timedelta(days=1), tick=False):
        assert delete_expired_events().done == 0, "the last one stays"
        cancel_payment(payment.reference, by="ada")
    with time_machine.travel(timezone.now() + timedelta(days=2), tick=False):
        assert delete_expired_events().done == 1, "the next walk finds it"
    last = Event.objects.get()
    assert (last.sequence, last.changes["state"]) == (2, "open")


@pytest.mark.postgresql
@pytest.mark.django_db(transaction=True)
def test_while_one_process_walks_through_a_table_another_does_not_wait_for_it():
    with transaction.atomic():
        locked_walk("a table")
    walk, other = beside(*[lambda: locked_walk("a table")] * 2)
    assert walk is not None
    assert other is None
