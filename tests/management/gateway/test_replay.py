"""A message is sent again only if nothing shows that it was handled, and only by permitted staff."""

from datetime import timedelta
from typing import Any

import pytest
from django.core.management import CommandError
from django.utils import timezone

from checkout.payments.events import move_payment
from checkout.payments.events.log import EventLog
from checkout.payments.models import DeadLetter, Event, Fact, InboxMessage, OutboxMessage, Saga, SagaStep
from checkout.states import Actor
from messaging.outbox.models import enqueue
from tests.management.gateway.conftest import Gateway
from tests.payments.service.conftest import an_account, an_attempt

pytestmark = pytest.mark.django_db


@pytest.fixture
def lost(ada: str) -> OutboxMessage:
    """Return a command that was published, and that no service has handled."""
    attempt = an_attempt(an_account())
    enqueue(OutboxMessage, "risk", "risk.assess", {}, subject=attempt.payment.reference)
    OutboxMessage.objects.update(published_at=timezone.now(), attempts=1)
    return OutboxMessage.objects.get()


def replay(gateway: Gateway, row: OutboxMessage, by: str = "ada") -> str:
    return gateway("replay", row.message_id, "--by", by, "--reason", "Its queue was deleted.")[1]


def test_a_lost_message_is_published_again_and_the_payment_says_by_whom(gateway: Gateway, lost: Any):
    assert "is sent again by the relay" in replay(gateway, lost)
    lost.refresh_from_db()
    assert (lost.published_at, lost.attempts) == (None, 0)
    assert Fact.objects.get(kind="message_sent_again").data == {
        "by": "ada",
        "type": "risk.assess",
        "message_id": lost.message_id,
        "reason": "Its queue was deleted.",
    }


def test_an_event_that_a_subscriber_has_lost_is_published_again(gateway: Gateway, ada: str):
    move_payment(an_attempt(an_account()).payment, "authorised", Actor.SAGA)
    event = Event.objects.get()
    log = EventLog()
    log.take()
    log.note([], [])
    told = gateway("replay", event.reference, "--by", ada, "--reason", "It was away.")[1]
    assert "is sent again by the relay" in told
    row = OutboxMessage.objects.get(message_id=event.reference)
    assert (row.type, row.published_at) == (event.type, None)
    assert row.available_at <= timezone.now()


def test_an_event_that_the_relay_has_still_to_publish_is_left_to_it(gateway: Gateway, ada: str):
    payment = an_attempt(an_account()).payment
    move_payment(payment, "authorised", Actor.SAGA)
    with pytest.raises(CommandError, match="The relay has not published this event yet"):
        gateway("replay", Event.objects.get().reference, "--by", ada, "--reason", "It was away.")
    assert not OutboxMessage.objects.exists()


@pytest.mark.parametrize("by", ["bob", "nobody"])
def test_only_staff_who_may_do_it_in_the_back_office_may(gateway: Gateway, lost: Any, by: str):
    with pytest.raises(
        CommandError, match=r"permission payments.requeue_deadletter is missing|no active member"
    ):
        replay(gateway, lost, by)
    lost.refresh_from_db()
    assert lost.published_at is not None


def test_a_message_that_was_handled_is_not_sent(gateway: Gateway, lost: Any):
    InboxMessage.objects.create(
        consumer="risk", message_id=lost.message_id, type=lost.type, received_at=timezone.now()
    )
    with pytest.raises(CommandError, match="risk has handled the message at"):
        replay(gateway, lost)


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"published_at": None, "available_at": timezone.now() + timedelta(hours=1)}, "was not sent yet"),
        ({"created_at": timezone.now() - timedelta(days=400)}, "so old"),
        ({"carries_sealed": True}, "with a card"),
        ({"exchange": "checkout.replies", "routing_key": "checkout.node.web-1"}, "no longer waits for it"),
        ({"headers": {"proof": "forged"}}, "proof of this message is valid neither"),
    ],
)
def test_a_message_that_must_not_be_repeated_is_refused(
    gateway: Gateway, lost: Any, changes: dict[str, Any], why: str
):
    OutboxMessage.objects.update(**changes)
    with pytest.raises(CommandError, match=why):
        replay(gateway, lost)


@pytest.mark.parametrize(
    ("step", "why"),
    [
        ({"replied_at": timezone.now(), "outcome": "approved"}, "The message was answered: approved"),
        ({}, "no longer waits for an answer to this message. It is at the step inquire"),
    ],
)
def test_a_question_whose_flow_has_gone_on_is_not_asked_again(
    gateway: Gateway, lost: Any, step: dict[str, Any], why: str
):
    attempt = an_attempt_of(lost)
    saga = Saga.objects.create(
        kind="purchase", key="1", payment=attempt.payment, attempt=attempt, step="inquire", awaiting="other"
    )
    SagaStep.objects.create(
        saga=saga, name="authorise", command="payments.authorise", correlation_id="7", **step
    )
    OutboxMessage.objects.update(correlation_id="7")
    with pytest.raises(CommandError, match=why):
        replay(gateway, lost)


def an_attempt_of(row: OutboxMessage) -> Any:
    from checkout.payments.models import Attempt

    return Attempt.objects.get(payment__reference=row.subject)


def test_an_unknown_message_and_an_empty_reason_are_refused(gateway: Gateway, lost: Any):
    with pytest.raises(CommandError, match="No outbox has a message with this id"):
        gateway("replay", "unknown", "--by", "ada", "--reason", "why not")
    with pytest.raises(CommandError, match="Say why"):
        gateway("replay", lost.message_id, "--by", "ada", "--reason", " ")


def test_a_dead_letter_is_left_to_its_own_command(gateway: Gateway, lost: Any):
    letter = DeadLetter.objects.create(fingerprint="1", message_id=lost.message_id, type=lost.type, body="{}")
    with pytest.raises(CommandError, match=f"dead-letters requeue {letter.pk}"):
        replay(gateway, lost)
