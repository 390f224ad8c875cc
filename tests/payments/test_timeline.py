"""The history of one payment, as the back office and the scripted shopper show it."""

from datetime import timedelta

import pytest
from django.utils import timezone

from checkout.payments.models import InboxMessage, OutboxMessage, ProviderCall, SagaStep
from checkout.payments.timeline import Kind, timeline_of
from tests.backoffice import rows

pytestmark = pytest.mark.django_db

START = timezone.now().replace(microsecond=0)


def after(milliseconds):
    return START + timedelta(milliseconds=milliseconds)


def sent(payment, message_id, at=0, **fields):
    values = {"exchange": "checkout.commands", "routing_key": "risk", "type": "risk.assess", "body": "{}"}
    return OutboxMessage.objects.create(
        **(values | fields),
        message_id=message_id,
        subject=payment.reference,
        created_at=after(at),
        available_at=after(at),
    )


def handled(payment, message_id, received, recorded):
    return InboxMessage.objects.create(
        consumer="risk",
        message_id=message_id,
        type="risk.assess",
        subject=payment.reference,
        received_at=after(received),
        handled_at=after(recorded),
    )


def test_everything_is_in_it_once_in_the_order_in_which_it_happened():
    entries = timeline_of(rows.paid())
    assert [entry.kind for entry in entries if entry.kind != Kind.EVENT] == [
        Kind.FACT,
        Kind.STEP,
        Kind.MESSAGE,
        Kind.PROVIDER_CALL,
        Kind.NOTIFICATION,
    ]
    assert [entry.at for entry in entries] == sorted(entry.at for entry in entries)


def test_the_story_of_another_payment_is_not_in_it():
    mine, other = rows.paid("MINE"), rows.paid("OTHER")
    assert len(timeline_of(mine)) == len(timeline_of(other)) == 6


def test_a_message_was_being_handled_until_the_last_message_that_it_caused():
    payment = rows.payment("ORDER-1")
    sent(payment, "cause", at=0)
    handled(payment, "cause", received=20, recorded=21)
    sent(payment, "first-effect", at=30, causation_id="cause")
    sent(payment, "last-effect", at=55, causation_id="cause")
    cause = timeline_of(payment)[0]
    assert cause.detail == "to risk: 20 ms on the way, 35 ms handling"
    assert cause.duration == timedelta(milliseconds=55)


def test_a_message_that_nobody_has_handled_has_no_duration():
    payment = rows.payment("ORDER-1")
    sent(payment, "owed", last_error="broker away")
    sent(payment, "gone", at=1, published_at=after(2))
    sent(payment, "rejected", at=2, published_at=after(3), given_up_at=after(3), last_error="not allowed")
    assert [(entry.detail, entry.duration) for entry in timeline_of(payment)] == [
        ("in the outbox broker away", None),
        ("sent", None),
        ("given up: not allowed", None),
    ]


def test_a_question_that_no_outbox_keeps_is_in_it_too():
    payment = rows.payment("ORDER-1")
    handled(payment, "question", received=0, recorded=4)
    (entry,) = timeline_of(payment)
    assert (entry.what, entry.detail, entry.duration) == ("risk.assess", "to risk", timedelta(milliseconds=4))


def test_messages_in_a_database_that_is_away_are_reported_as_not_available(own_database):
    payment = rows.payment("ORDER-1")
    own_database.empty("ledger")
    own_database("risk")
    handled(payment, "question", received=0, recorded=4)
    InboxMessage.objects.using("risk").bulk_create(InboxMessage.objects.all())
    InboxMessage.objects.using("default").all().delete()
    assert [(entry.what, entry.detail) for entry in timeline_of(payment)] == [
        ("risk.assess", "to risk"),
        ("messages in ledger", "not available: database away"),
    ]


def test_what_has_no_answer_yet_says_so():
    payment = rows.payment("ORDER-1")
    saga = rows.saga(payment)
    SagaStep.objects.create(saga=saga, name="authorise", command="payments.authorise", correlation_id="1")
    ProviderCall.objects.create(attempt=saga.attempt, key="1", verb="authorise")
    assert [(entry.detail, entry.duration) for entry in timeline_of(payment)] == [
        ("payments.authorise → no answer yet", None),
        ("no outcome yet", None),
    ]


def test_a_longer_story_takes_no_more_queries(django_assert_num_queries):
    payment = rows.paid()
    for number in range(20):
        sent(payment, f"more-{number}", at=number)
    with django_assert_num_queries(8):
        timeline_of(payment)
