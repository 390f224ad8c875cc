"""Crashes at every point around a provider call, and the result of the redelivery."""

import json
import time
from functools import partial

import pytest
from django.db import connection
from django.utils import timezone

from checkout.conf import conf
from checkout.payments.messages import ApplyNotification
from checkout.payments.models import (
    Attempt,
    Fact,
    InboxMessage,
    Operation,
    OutboxMessage,
    ProviderCall,
)
from checkout.payments.service import service
from tests.payments.service import crashing
from tests.payments.service.asking import (
    authorise,
    come_back,
    inquire,
    inquire_operation,
    let_settle,
    operation_on,
    to_authorise,
    to_capture,
    to_complete_challenge,
    told,
)
from tests.payments.service.crashing import Crash
from tests.payments.service.delivering import command, deliver, stored

pytestmark = pytest.mark.django_db(transaction=True)

AFTER_THE_CALL = [crashing.before_the_outcome_is_stored, crashing.before_the_last_commit]


def crash_at(window, attempt, envelope):
    with window(), pytest.raises(Crash):
        deliver(service, envelope)
    attempt.refresh_from_db()


def test_a_crash_before_the_call_is_unknown_until_the_provider_denies_it(attempt, books):
    envelope = to_authorise(attempt, "approve")
    crash_at(crashing.after_the_intent, attempt, envelope)
    assert attempt.state == Attempt.State.SUBMITTED

    assert told(attempt, envelope).result["outcome"] == "unknown"
    assert inquire(attempt).result["outcome"] == "unknown", "the request might still arrive"
    let_settle(attempt)
    assert inquire(attempt).result["outcome"] == "not_sent"
    assert attempt.state == Attempt.State.NOT_SENT
    assert not books.orders


@pytest.mark.parametrize("window", AFTER_THE_CALL)
def test_a_crash_after_the_call_is_unknown_until_the_provider_tells(attempt, books, window):
    envelope = to_authorise(attempt, "approve")
    crash_at(window, attempt, envelope)
    assert attempt.state == Attempt.State.SUBMITTED
    assert not Fact.objects.exists()
    assert not InboxMessage.objects.exists()
    assert not OutboxMessage.objects.exists()

    assert told(attempt, envelope).result["outcome"] == "unknown"
    assert len(books.notifications()) == 1, "authorised once"
    assert inquire(attempt).result["outcome"] == "approved"
    assert attempt.state == Attempt.State.AUTHORISED


@pytest.mark.parametrize("window", AFTER_THE_CALL)
def test_a_crash_after_a_refusal_ends_as_refused(attempt, window):
    envelope = to_authorise(attempt, "refuse:insufficient_funds")
    crash_at(window, attempt, envelope)
    assert told(attempt, envelope).result["outcome"] == "unknown"
    result = inquire(attempt).result
    assert (result["outcome"], result["refusal_reason"]) == ("refused", "insufficient_funds")


@pytest.mark.parametrize("window", AFTER_THE_CALL)
def test_a_crash_after_the_second_message_is_resolved_by_inquiry(attempt, books, window):
    authorise(attempt, "challenge")
    come_back(attempt)
    envelope = to_complete_challenge(attempt)
    crash_at(window, attempt, envelope)

    assert told(attempt, envelope).result["outcome"] == "unknown"
    assert len(books.notifications()) == 1
    assert inquire(attempt).result["outcome"] == "approved"


def test_a_crash_before_the_second_message_never_sends_it_twice(attempt, books):
    authorise(attempt, "challenge")
    come_back(attempt)
    envelope = to_complete_challenge(attempt)
    crash_at(crashing.after_the_intent, attempt, envelope)

    assert told(attempt, envelope).result["outcome"] == "unknown"
    let_settle(attempt)
    assert inquire(attempt).result["outcome"] == "unknown"
    assert books.orders[attempt.order_code].state == "challenged"


@pytest.mark.parametrize("window", AFTER_THE_CALL)
def test_a_crash_after_a_capture_leaves_the_operation_unknown_until_the_provider_tells(
    attempt, books, window
):
    authorise(attempt, "approve")
    operation = operation_on(attempt, Operation.Kind.CAPTURE)
    envelope = to_capture(operation)
    crash_at(window, attempt, envelope)

    assert told(attempt, envelope).result["outcome"] == "unknown"
    operation.refresh_from_db()
    assert operation.state == Operation.State.UNKNOWN
    assert inquire_operation(operation) == "approved"
    assert operation.state == Operation.State.DONE
    assert books.orders[attempt.order_code].captured.minor == 1250


def test_a_crash_after_the_commit_only_publishes_what_was_left(attempt, books):
    envelope = to_authorise(attempt, "approve")
    first = told(attempt, envelope)
    again = told(attempt, envelope)
    assert again.result == first.result
    assert ProviderCall.objects.count() == Fact.objects.count() == len(books.notifications()) == 1


def test_a_second_copy_at_the_same_time_does_not_call_and_loses_nothing(attempt, books):
    envelope = to_authorise(attempt, "approve")
    replies = []
    with crashing.after_the_intent(lambda: replies.append(told(attempt, envelope).result["outcome"])):
        told(attempt, envelope)
    assert replies == ["unknown"]
    assert len(books.notifications()) == 1
    assert attempt.state == Attempt.State.AUTHORISED, "what the first copy learnt counts"
    assert inquire(attempt).result["outcome"] == "approved"


def test_a_challenge_learnt_by_a_copy_that_came_second_reaches_the_shopper(attempt):
    envelope = to_authorise(attempt, "challenge")
    with crashing.after_the_intent(lambda: deliver(service, envelope)):
        told(attempt, envelope)
    assert attempt.state == Attempt.State.CHALLENGE_REQUIRED
    assert inquire(attempt).result["outcome"] == "challenge_required"


def test_a_repeated_command_that_was_not_sent_is_not_sent_after_all(attempt, books):
    authorise(attempt, "approve")
    operation = operation_on(attempt, Operation.Kind.CAPTURE)
    envelope = to_capture(operation)
    books.orders.clear()
    ProviderCall.objects.create(attempt=attempt, key=operation.reference, verb="capture", outcome="not_sent")
    InboxMessage.objects.create(
        consumer="payments",
        message_id=envelope.message_id,
        type=envelope.type,
        received_at=operation.created_at,
    )
    assert deliver(service, envelope).outgoing == []
    assert ProviderCall.objects.get(verb="capture").outcome == "not_sent"


def test_no_transaction_and_no_connection_is_open_while_the_provider_is_asked(attempt, scenarios):
    seen = []
    scenarios.before(
        "authorise", lambda: seen.append((connection.in_atomic_block, connection.connection is not None))
    )
    authorise(attempt, "approve")
    assert seen == [(False, False)]


def test_a_notification_that_overtakes_the_providers_reply_is_not_undone_by_it(attempt):
    authorise(attempt, "approve")
    operation = operation_on(attempt, Operation.Kind.CAPTURE)
    statement = {
        "merchant_code": attempt.provider_account.merchant_code,
        "order_code": attempt.order_code,
        "event": "CAPTURED",
        "minor": 1250,
        "currency": "GBP",
        "reference": operation.reference,
        "number": 1,
    }
    row = stored(attempt.provider_account, json.dumps(statement))
    notified = command(ApplyNotification(notification=row.pk))
    with crashing.after_the_intent(lambda: deliver(service, notified)):
        assert deliver(service, to_capture(operation)).result["outcome"] == "approved"
    operation.refresh_from_db()
    assert operation.state == Operation.State.DONE


@pytest.mark.parametrize("card", ["approve", "challenge"])
def test_a_process_that_was_stopped_before_the_call_does_not_make_it_after_it_was_given_up(
    attempt, books, monkeypatch, card
):
    envelope = to_authorise(attempt, card)
    with crashing.after_the_intent(partial(wake_up_much_later, attempt, monkeypatch)):
        assert told(attempt, envelope).result["outcome"] == "not_sent"
    assert attempt.state == Attempt.State.NOT_SENT
    assert not books.orders


def test_a_stopped_process_does_not_capture_what_was_sent_again_meanwhile(attempt, books, monkeypatch):
    authorise(attempt, "approve")
    operation = operation_on(attempt, Operation.Kind.CAPTURE)
    with crashing.after_the_intent(partial(wake_up_much_later, attempt, monkeypatch)):
        assert told(attempt, to_capture(operation)).result["outcome"] == "unknown"
    assert books.orders[attempt.order_code].captured.minor == 0
    monkeypatch.undo()


def test_a_stopped_process_does_not_have_it_sent_a_third_time_while_the_second_is_on_its_way(
    attempt, books, monkeypatch
):
    authorise(attempt, "approve")
    operation = operation_on(attempt, Operation.Kind.CAPTURE)

    def wake_up_after_it_was_sent_again() -> None:
        wake_up_much_later(attempt, monkeypatch)
        ProviderCall.objects.filter(key=operation.reference).update(started_at=timezone.now())

    with crashing.after_the_intent(wake_up_after_it_was_sent_again):
        told(attempt, to_capture(operation))
    monkeypatch.undo()
    assert told(attempt, to_capture(operation)).result["outcome"] == "unknown"
    assert books.orders[attempt.order_code].captured.minor == 0


def wake_up_much_later(attempt, monkeypatch):
    now = time.monotonic() + conf.settling_time.total_seconds()
    monkeypatch.setattr(time, "monotonic", lambda: now)
    let_settle(attempt)
    inquire(attempt)


def test_a_machine_that_slept_does_not_send_either_although_its_monotonic_clock_stood_still(
    attempt, books, monkeypatch
):
    def sleep() -> None:
        later = timezone.now() + conf.settling_time
        monkeypatch.setattr(timezone, "now", lambda: later)

    with crashing.after_the_intent(sleep):
        assert told(attempt, to_authorise(attempt, "approve")).result["outcome"] == "unknown"
    assert not books.orders
