"""The stored parts of a dead letter, and sending it again."""

from datetime import timedelta
from typing import Any

import pytest
from django.test import override_settings
from django.utils import timezone
from msgspec.structs import replace

from checkout.errors import OperationRejected
from checkout.payments.actions import requeue_dead_letter, why_not_requeued
from checkout.payments.dead_letters import keep
from checkout.payments.events.log import message_of
from checkout.payments.models import DeadLetter, Event, Fact, Merchant, OutboxMessage, Payment
from messaging.access.proofs import prove
from messaging.dead_letters import letter as dead_letters
from messaging.delivery import Death, Delivery
from messaging.envelope import Envelope, Reply
from messaging.errors import MalformedMessage
from messaging.outbox.models import enqueue
from messaging.topology import Topology

pytestmark = pytest.mark.django_db

CARD_NUMBER = "4444333322221111"
QUEUE = "checkout.commands.risk"


def died(
    envelope: Envelope | None = None,
    *,
    raw: bytes = b"",
    queue: str = QUEUE,
    remains: Envelope | None = None,
) -> DeadLetter:
    """Create a dead letter as from a worker that gave up on a message."""
    delivery = Delivery(envelope=envelope, exchange="", routing_key="", queue=queue, raw=raw, remains=remains)
    keep(dead_letters.of(delivery, "risk", "5 attempts failed"))
    return DeadLetter.objects.latest("pk")


def died_at_the_broker(envelope: Envelope | None, death: Death | None, raw: bytes = b"") -> DeadLetter:
    arrived = Delivery(
        envelope=envelope, exchange="", routing_key="", queue="checkout.dead", raw=raw, death=death
    )
    keep(dead_letters.read(arrived, Topology("checkout")))
    return DeadLetter.objects.latest("pk")


def message(body: str = '{"payment": "pay_1"}', **fields: Any) -> Envelope:
    headers = {"subject": "pay_1", "causation-id": "cause", "x-theirs": "kept", "sealed": "a sealed card"}
    return Envelope(
        type="risk.assess",
        body=body.encode(),
        reply_to="checkout.replies.saga",
        **({"headers": headers, "correlation_id": "7:assess:1"} | fields),
    )


def happened() -> Event:
    merchant = Merchant.objects.create(code="shop", name="The Shop")
    payment = Payment.objects.create(merchant=merchant, amount_minor=1, currency="EUR")
    return Event.objects.create(
        merchant=merchant, payment=payment, type="payment.captured", sequence=1, data={}
    )


def everything(letter: DeadLetter) -> str:
    return str(DeadLetter.objects.filter(pk=letter.pk).values())


def test_all_that_is_needed_to_look_at_it_and_to_send_it_again_is_kept():
    sent = message()
    letter = died(sent)
    assert (letter.message_id, letter.type, letter.body) == (
        sent.message_id,
        sent.type,
        sent.body.decode(),
    )
    assert (letter.service, letter.queue, letter.reason) == ("risk", QUEUE, "5 attempts failed")
    assert (letter.subject, letter.correlation_id) == ("pay_1", "7:assess:1")
    assert letter.reply_to == "checkout.replies.saga"
    assert letter.headers == {"subject": "pay_1", "causation-id": "cause", "x-theirs": "kept"}
    assert (letter.copies, letter.requeued_at) == (1, None)


def test_the_brokers_own_dead_letter_is_kept_without_its_sealed_card():
    letter = died_at_the_broker(message(), Death(QUEUE, "delivery_limit"))
    assert "sealed" not in everything(letter)
    assert (letter.queue, letter.reason) == (QUEUE, "the broker gave up: delivery_limit")


def test_a_letter_that_claims_to_be_from_a_worker_is_kept_without_its_sealed_card_too():
    letter = died_at_the_broker(message(headers={"dead-reason": "said so", "sealed": "a sealed card"}), None)
    assert "sealed" not in everything(letter)


@pytest.mark.parametrize(
    "secret",
    [
        message(f'{{"note": "{CARD_NUMBER}"}}'),
        message(headers={"x-note": f"card {CARD_NUMBER}"}),
        message(headers={"subject": CARD_NUMBER}),
        message(message_id=CARD_NUMBER),
        Envelope(type=CARD_NUMBER, body=b"{}"),
    ],
    ids=["body", "header", "subject", "id", "type"],
)
def test_a_card_number_is_kept_nowhere(secret):
    assert CARD_NUMBER not in everything(died(secret))


def test_what_is_no_json_leaves_its_size_and_digest():
    letter = died(message("not JSON, with something secret"))
    assert "secret" not in everything(letter)
    assert '"bytes"' in letter.body


def test_what_is_no_message_leaves_its_size_and_digest_and_is_known_again():
    died(raw=b"garbage with something secret")
    letter = died(raw=b"garbage with something secret")
    assert letter.copies == 2
    assert "secret" not in everything(letter)
    assert died(raw=b"other garbage").copies == 1


def test_three_payments_with_the_same_body_are_three_letters_though_their_sender_gave_them_no_id():
    for number in (1, 2, 3):
        remains = Envelope(
            type="reply",
            body=b"{}",
            message_id="",
            correlation_id=f"{number}::assess:1",
            app_id="foreign",
            user_id="risk",
            headers={"subject": f"pay_{number}", "sealed": "a sealed card"},
        )
        letter = died(raw=b"garbage", remains=remains)
        assert (letter.subject, letter.correlation_id) == (f"pay_{number}", f"{number}::assess:1")
        assert (letter.sender_app, letter.sender_user, letter.copies) == ("foreign", "risk", 1)
        assert "a sealed card" not in everything(letter)
    assert DeadLetter.objects.count() == 3


def test_two_messages_to_which_their_sender_gave_one_id_are_two_letters_and_only_sent_as_they_were():
    first = died(message(message_id="1"))
    second = died(message(message_id="1", correlation_id="8:assess:1"))
    assert (DeadLetter.objects.count(), second.copies) == (2, 1)
    requeue_dead_letter(first.pk, by="Ada")
    with pytest.raises(OperationRejected, match="same id"):
        requeue_dead_letter(second.pk, by="Ada")


def test_the_broker_user_that_the_broker_vouches_for_is_kept():
    assert died(message(user_id="risk", app_id="foreign")).sender_user == "risk"
    letter = died_at_the_broker(message(user_id="risk"), Death(QUEUE, "delivery_limit"))
    assert letter.sender_user == "risk"


def test_what_nobody_can_store_is_stored_all_the_same():
    letter = died(
        Envelope(
            type="t" * 255,
            body=b'"a\\u0000b"',
            message_id="m\0" * 100,
            correlation_id="c" * 255,
            reply_to="r\0" * 100,
            headers={"subject": "s\0" * 100, "x\0": "\0", "big": 10**18},
        ),
        queue="q" * 500,
    )
    letter.refresh_from_db()
    assert (len(letter.message_id), len(letter.type)) == (64, 100)


def test_the_same_message_again_is_another_copy_and_waits_again():
    sent = message()
    requeue_dead_letter(died(sent).pk, by="staff")
    letter = died(sent)
    assert (DeadLetter.objects.count(), letter.copies, letter.requeued_at) == (1, 2, None)
    requeue_dead_letter(letter.pk, by="staff")


def test_our_own_message_goes_out_again_as_it_was():
    row = enqueue(OutboxMessage, "risk", "risk.assess", {"note": CARD_NUMBER}, subject="pay_1")
    OutboxMessage.objects.update(published_at=timezone.now(), attempts=3)
    requeue_dead_letter(died(row.envelope()).pk, by="Ada")
    again = OutboxMessage.objects.get()
    assert (again.envelope(), again.published_at, again.attempts) == (row.envelope(), None, 0)
    assert again.available_at <= timezone.now()


def test_a_command_that_web_sent_while_a_shopper_waited_goes_out_again_as_it_was_stored():
    """The message has a correlation id for the wait of web, and its row in the outbox has none."""
    row = enqueue(OutboxMessage, "checkout", "checkout.submit_payment", {}, subject="pay_1")
    published = replace(row.envelope(), correlation_id="r" + 32 * "0", reply_to="checkout.node.web-1")
    letter = died(published, queue="checkout.commands.checkout")
    assert why_not_requeued(letter) == ""
    requeue_dead_letter(letter.pk, by="Ada")
    assert OutboxMessage.objects.get().envelope() == row.envelope()


def test_an_event_which_has_its_own_table_and_no_row_goes_out_again_as_it_was(settings):
    settings.MESSAGING_SINGLE_BROKER_USER = False
    event = happened()
    published = message_of(event).envelope()
    letter = died(replace(published, user_id="checkout.relay"), queue="checkout.events.webhooks")
    assert why_not_requeued(letter) == ""
    assert not OutboxMessage.objects.exists()
    requeue_dead_letter(letter.pk, by="Ada")
    again = OutboxMessage.objects.get()
    assert (again.envelope(), again.published_at) == (published, None)


def test_two_letters_about_one_event_send_it_again_as_one_row():
    published = message_of(happened()).envelope()
    for body in (published.body, b"{}"):
        letter = died(replace(published, body=body), queue="checkout.events.webhooks")
        requeue_dead_letter(letter.pk, by="Ada")
    assert OutboxMessage.objects.get().envelope() == published


def test_an_event_that_cannot_be_made_into_a_message_is_a_refusal(monkeypatch):
    letter = died(message_of(happened()).envelope(), queue="checkout.events.webhooks")

    def fails(_event: Event) -> OutboxMessage:
        raise ValueError("its payment makes no sense")

    monkeypatch.setattr("checkout.payments.events.log.message_of", fails)
    with pytest.raises(OperationRejected, match="The log has the reason"):
        requeue_dead_letter(letter.pk, by="Ada")
    letter.refresh_from_db()
    assert letter.requeued_at is None


def test_what_has_the_id_of_an_event_and_is_none_is_not_sent(settings):
    settings.MESSAGING_SINGLE_BROKER_USER = False
    event = happened()
    forged = message(message_id=event.reference, user_id="checkout.relay")
    with pytest.raises(OperationRejected, match="no outbox has this message"):
        requeue_dead_letter(died(forged).pk, by="Ada")
    assert not OutboxMessage.objects.exists()


def test_the_outbox_of_another_database_is_looked_in_and_sends_it_again(own_database):
    own_database("receipts")
    rows = OutboxMessage.objects.using("receipts")
    row = enqueue(OutboxMessage, "notifications", "notifications.send_receipt", {}, database="receipts")
    rows.update(published_at=timezone.now(), attempts=3)
    letter = died(row.envelope(), queue="checkout.commands.notifications")
    assert why_not_requeued(letter) == ""
    requeue_dead_letter(letter.pk, by="Ada")
    again = rows.get()
    assert (again.envelope(), again.published_at, again.attempts) == (row.envelope(), None, 0)
    assert not OutboxMessage.objects.exists()


def test_another_message_with_its_id_in_another_database_prevents_it(own_database):
    own_database("receipts")
    row = enqueue(OutboxMessage, "risk", "risk.forget", {}, database="receipts")
    with pytest.raises(OperationRejected, match="same id"):
        requeue_dead_letter(died(message(message_id=row.message_id)).pk, by="Ada")


def test_a_database_that_is_away_may_have_it_so_nothing_is_sent(own_database):
    own_database.empty("receipts")
    letter = died(message())
    assert "The database receipts is not available" in why_not_requeued(letter)
    with pytest.raises(OperationRejected, match="not available"):
        requeue_dead_letter(letter.pk, by="Ada")


@pytest.mark.parametrize("is_in_outbox", [True, False])
def test_a_letter_whose_proof_was_made_with_a_key_that_is_gone_is_not_offered(settings, is_in_outbox):
    sent = prove(message(headers={"subject": "pay_1", "deadline": 1_700_000_000_000}))
    if is_in_outbox:
        OutboxMessage.of("checkout.commands", "risk", sent).save()
    letter = died(sent)
    with override_settings(SECRET_KEY="another", SECRET_KEY_FALLBACKS=[settings.SECRET_KEY]):
        assert why_not_requeued(letter) == ""
    with override_settings(SECRET_KEY="another", SECRET_KEY_FALLBACKS=[]):
        assert "put it back" in why_not_requeued(letter)
        with pytest.raises(OperationRejected, match="SECRET_KEY_FALLBACKS"):
            requeue_dead_letter(letter.pk, by="Ada")


def test_another_programs_message_is_written_anew():
    sent = message()
    requeue_dead_letter(died(sent).pk, by="Ada")
    row = OutboxMessage.objects.get(message_id=sent.message_id)
    assert (row.exchange, row.routing_key) == ("checkout.commands", "risk")
    again = row.envelope()
    assert (again.type, again.body, again.reply_to) == (sent.type, sent.body, sent.reply_to)
    assert (again.correlation_id, again.headers) == (sent.correlation_id, sent.with_sealed("").headers)
    assert row.available_at <= timezone.now()


@pytest.mark.parametrize(
    ("queue", "way"),
    [
        ("checkout.replies.saga", ("checkout.replies", "checkout.replies.saga")),
        ("checkout.events.audit", ("checkout.events", "risk.assess")),
    ],
)
def test_it_goes_back_to_where_it_died(queue, way):
    requeue_dead_letter(died(message(), queue=queue).pk, by="Ada")
    row = OutboxMessage.objects.get()
    assert (row.exchange, row.routing_key) == way


def test_it_is_sent_again_once():
    letter = died(message())
    requeue_dead_letter(letter.pk, by="Ada")
    OutboxMessage.objects.update(published_at=timezone.now())
    with pytest.raises(OperationRejected, match="Ada"):
        requeue_dead_letter(letter.pk, by="Bob")
    assert OutboxMessage.objects.get().published_at is not None
    letter.refresh_from_db()
    assert letter.requeued_by == "Ada"


@pytest.mark.parametrize(
    ("envelope", "queue", "why"),
    [
        (None, QUEUE, "could not be read"),
        (message("not JSON"), QUEUE, "could not be read"),
        (message(f'{{"note": "{CARD_NUMBER}"}}'), QUEUE, "secret"),
        (message(), "", "not known"),
        (message(), "checkout.node.17", "not known"),
    ],
    ids=["no message", "no JSON", "a card number", "from nowhere", "a queue of no service"],
)
def test_what_cannot_be_sent_as_it_was_is_not_sent(envelope, queue, why):
    letter = died(envelope, queue=queue)
    with pytest.raises(OperationRejected, match=why):
        requeue_dead_letter(letter.pk, by="Ada")
    letter.refresh_from_db()
    assert letter.requeued_at is None
    assert not OutboxMessage.objects.exists()


def test_what_died_before_inboxes_can_remember_is_not_sent(settings):
    letter = died(message())
    long_ago = timezone.now() - timedelta(seconds=settings.CHECKOUT_RETENTION_SECONDS + 1)
    DeadLetter.objects.update(died_at=long_ago)
    with pytest.raises(OperationRejected, match="so old"):
        requeue_dead_letter(letter.pk, by="Ada")


def test_a_letter_whose_body_was_erased_with_its_payment_is_not_sent_empty():
    letter = died(message())
    DeadLetter.objects.update(body="")
    with pytest.raises(OperationRejected, match="erased"):
        requeue_dead_letter(letter.pk, by="Ada")


def test_there_must_be_such_a_letter():
    with pytest.raises(OperationRejected):
        requeue_dead_letter(17, by="Ada")


def test_the_payment_knows_who_sent_it_again():
    payment = Payment.objects.create(
        merchant=Merchant.objects.create(code="shop", name="The Shop"), amount_minor=1, currency="EUR"
    )
    sent = message(headers={"subject": payment.reference})
    requeue_dead_letter(died(sent).pk, by="Ada")
    fact = Fact.objects.get(payment=payment)
    assert (fact.source, fact.kind) == ("staff", "dead_letter_sent_again")
    assert fact.data == {"by": "Ada", "type": "risk.assess", "message_id": sent.message_id}


@pytest.mark.parametrize("body", [b"[" * 5000, b'{"ok":true,"result":' + b'{"a":' * 5000])
def test_what_is_nested_too_deeply_is_malformed_and_kept_by_its_digest(body):
    with pytest.raises(MalformedMessage):
        Reply.decode(body)
    letter = died_at_the_broker(Envelope(type="risk.assess", body=body, message_id="deep"), None)
    assert letter.headers["dead-altered"] == "digest"


def test_a_letter_whose_sender_nobody_has_proven_is_not_sent_in_the_gateways_name(settings):
    settings.MESSAGING_SINGLE_BROKER_USER = False
    letter = died(message())
    with pytest.raises(OperationRejected) as refused:
        requeue_dead_letter(letter.pk, by="Ada")
    assert "The sender of this message is not proven" in str(refused.value)
    assert "mark this dead letter as dealt with" in str(refused.value)
    assert why_not_requeued(letter) == str(refused.value)
    assert not OutboxMessage.objects.exists()


def test_a_letter_without_a_sender_is_sent_again_while_the_outbox_proves_that_it_is_ours(settings):
    row = enqueue(OutboxMessage, "risk", "risk.assess", {}, subject="pay_1")
    OutboxMessage.objects.update(published_at=timezone.now())
    settings.MESSAGING_SINGLE_BROKER_USER = False
    letter = died(row.envelope())
    assert why_not_requeued(letter) == ""
    requeue_dead_letter(letter.pk, by="Ada")
    assert OutboxMessage.objects.get().published_at is None
