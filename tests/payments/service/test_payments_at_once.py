"""Concurrent commands for the same payment, on a database that locks rows."""

from concurrent.futures import ThreadPoolExecutor
from time import monotonic

import pytest
from django.db import connection, transaction

from checkout.payments.messages import ApplyNotification
from checkout.payments.models import (
    Attempt,
    Fact,
    Operation,
    Payment,
    ProviderAccount,
    ProviderCall,
    ProviderNotification,
)
from checkout.payments.service import service
from tests.payments.service.asking import authorise, operation_on, to_authorise, to_capture, to_inquire
from tests.payments.service.at_once import at_once
from tests.payments.service.conftest import an_attempt
from tests.payments.service.delivering import command, deliver, stored
from tests.payments.service.test_notification import worldpay

pytestmark = [pytest.mark.postgresql, pytest.mark.django_db(transaction=True)]


def test_one_message_delivered_to_many_workers_authorises_once(attempt, books):
    envelope = to_authorise(attempt, "approve")
    at_once(*(lambda: deliver(service, envelope) for _ in range(6)))
    attempt.refresh_from_db()
    assert attempt.state == Attempt.State.AUTHORISED
    assert len(books.notifications()) == 1
    assert Fact.objects.filter(kind="authorise_approved").count() == 1
    assert ProviderCall.objects.get().outcome == "approved"


def test_a_notification_locks_payments_in_one_order_whatever_their_attempts_are_called(attempt):
    """A transaction that waits for the first payment's lock must not hold the second one's."""
    later = an_attempt(attempt.provider_account, order_reference="A-2")
    Attempt.objects.filter(pk=attempt.pk).update(order_code="b-1")
    Attempt.objects.filter(pk=later.pk).update(order_code="a-1")
    ProviderAccount.objects.update(provider="worldpay_wpg")
    body = worldpay(("a-1", "AUTHORISED"), ("b-1", "AUTHORISED"))
    row = stored(attempt.provider_account, body)
    with ThreadPoolExecutor(1) as pool:
        with transaction.atomic():
            Payment.objects.select_for_update(no_key=True).get(pk=attempt.payment_id)
            applied = pool.submit(apply_apart, row)
            until_one_waits()
            Payment.objects.select_for_update(no_key=True, nowait=True).get(pk=later.payment_id)
        applied.result(20)
    row.refresh_from_db()
    assert row.payment_id == attempt.payment_id


def apply_apart(row):
    try:
        deliver(service, command(ApplyNotification(notification=row.pk)))
    finally:
        connection.close()


def until_one_waits():
    waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted"
    end = monotonic() + 20
    while monotonic() < end:
        with connection.cursor() as cursor:
            cursor.execute(waiting)
            if cursor.fetchone()[0]:
                return
    raise AssertionError("nothing waits for the lock")


def test_the_database_connection_is_given_back_while_the_provider_is_asked(attempt, scenarios):
    seen = []
    scenarios.before("authorise", lambda: seen.append(connection.connection))
    authorise(attempt, "approve")
    assert seen == [None]


def test_many_commands_to_capture_one_operation_capture_once(attempt, books):
    authorise(attempt, "approve")
    operation = operation_on(attempt, Operation.Kind.CAPTURE, minor=400)
    results = at_once(*(lambda: deliver(service, to_capture(operation)).result["outcome"] for _ in range(6)))
    assert "pending" in results
    assert set(results) <= {"pending", "unknown"}
    operation.refresh_from_db()
    assert operation.state == Operation.State.PENDING
    assert books.orders[attempt.order_code].captured.minor == 400


def test_a_notification_and_an_inquiry_at_the_same_time_agree(attempt, books):
    authorise(attempt, "unknown")
    row = stored(attempt.provider_account, books.notifications()[0].decode())
    notified = command(ApplyNotification(notification=row.pk))
    at_once(
        lambda: deliver(service, notified).commands,
        lambda: deliver(service, to_inquire(attempt)).result,
        lambda: deliver(service, notified).commands,
        lambda: deliver(service, to_inquire(attempt)).result,
    )
    attempt.refresh_from_db()
    row.refresh_from_db()
    assert attempt.state == Attempt.State.AUTHORISED
    assert row.state == ProviderNotification.State.APPLIED
    assert attempt.facts.filter(kind="notified_authorised").count() == 1
