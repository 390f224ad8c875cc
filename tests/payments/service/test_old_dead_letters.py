"""Old dead letters can be sent again if their receivers need no inbox to carry a command out only once."""

from datetime import timedelta

import pytest
from django.utils import timezone
from msgspec.structs import replace

from checkout.conf import conf
from checkout.errors import OperationRejected
from checkout.ledger.messages import PostEntries
from checkout.ledger.models import LedgerEntry
from checkout.ledger.service import service as ledger
from checkout.payments.actions import record_notification, requeue_dead_letter, why_not_requeued
from checkout.payments.dead_letters import keep
from checkout.payments.models import (
    DeadLetter,
    Fact,
    InboxMessage,
    OutboxMessage,
    ProviderNotification,
)
from checkout.payments.service import service as payments
from checkout.payments.timers.cards.deletion import delete_tokens
from messaging.access.proofs import prove
from messaging.dead_letters import letter as dead_letters
from messaging.delivery import Delivery
from messaging.envelope import Envelope
from messaging.outbox.models import enqueue
from tests.payments.service.delivering import deliver
from tests.payments.service.removed_cards import card, delays, removed

__all__ = ["card", "delays", "removed"]
pytestmark = pytest.mark.django_db

POSTING = PostEntries(payment="pay_1", kind="captured", reference="op_1", minor=1250, currency="GBP")


def died_long_ago(envelope: Envelope, service: str) -> DeadLetter:
    """Create the dead letter of a message from the relay that is older than the inboxes' memory."""
    queue = f"checkout.commands.{service}"
    delivery = Delivery(envelope=envelope, exchange="", routing_key="", queue=queue, raw=b"", remains=None)
    keep(dead_letters.of(delivery, service, "5 attempts failed"))
    DeadLetter.objects.update(died_at=timezone.now() - conf.retention - timedelta(days=1))
    return DeadLetter.objects.get()


def sent_again(letter: DeadLetter) -> Envelope:
    assert why_not_requeued(letter) == ""
    requeue_dead_letter(letter.pk, by="ann")
    return OutboxMessage.objects.get(message_id=letter.message_id, published_at=None).envelope()


@pytest.fixture(params=["in the outbox", "not in the outbox any more"])
def forget(request, settings):
    """Return a function that lets the outbox forget the messages that it has sent, or keep them."""
    settings.MESSAGING_SINGLE_BROKER_USER = False

    def delete_or_keep():
        OutboxMessage.objects.update(published_at=timezone.now())
        if request.param != "in the outbox":
            OutboxMessage.objects.all().delete()

    return delete_or_keep


def test_a_posting_that_died_long_ago_is_made_once(forget):
    enqueue(OutboxMessage, *POSTING.address, POSTING, subject=POSTING.payment)
    proven = prove(OutboxMessage.objects.get().envelope())
    OutboxMessage.objects.update(headers=proven.headers)
    forget()
    again = sent_again(died_long_ago(replace(proven, user_id="checkout.relay"), "ledger"))
    for _ in range(2):
        deliver(ledger, again)
        InboxMessage.objects.all().delete()
    assert LedgerEntry.objects.count() == 2


def test_a_token_whose_deletion_died_long_ago_is_deleted_once(removed, books, forget):
    delete_tokens()
    written = OutboxMessage.objects.get().envelope()
    forget()
    again = sent_again(died_long_ago(replace(written, user_id="checkout.relay"), "payments"))
    for _ in range(2):
        deliver(payments, again)
        InboxMessage.objects.all().delete()
    removed.refresh_from_db()
    assert books.tokens == {}
    assert (removed.token_to_delete, removed.deletion_tries) == ("", 1)


@pytest.mark.parametrize("sender", ["web", "relay"])
def test_a_notification_whose_command_died_long_ago_is_applied_once(authorised, books, forget, sender):
    """Nothing else would apply it: the provider repeats no notification that was acknowledged."""
    authorised.payment.refresh_from_db()
    [body] = books.notifications()
    owed = record_notification("twin", body, is_proven=True).owed
    assert owed is not None
    forget()
    again = sent_again(died_long_ago(replace(owed, user_id=f"checkout.{sender}"), "payments"))
    for _ in range(2):
        deliver(payments, again)
        InboxMessage.objects.all().delete()
    row = ProviderNotification.objects.get()
    assert (row.state, row.payment) == (ProviderNotification.State.APPLIED, authorised.payment)
    assert Fact.objects.filter(kind="notified_authorised").count() == 1


def test_a_posting_of_the_relay_that_nobody_has_proven_and_no_outbox_has_is_not_sent(settings):
    settings.MESSAGING_SINGLE_BROKER_USER = False
    row = enqueue(OutboxMessage, *POSTING.address, POSTING, subject=POSTING.payment)
    forged = replace(row.envelope(), user_id="checkout.relay")
    OutboxMessage.objects.all().delete()
    with pytest.raises(OperationRejected, match="no outbox has this message"):
        requeue_dead_letter(died_long_ago(forged, "ledger").pk, by="ann")
