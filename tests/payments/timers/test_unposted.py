"""A posting that the broker has lost is told to the ledger again, until it is made or is for staff."""

from datetime import timedelta

import pytest
from django.utils import timezone

from checkout.ledger import service as ledger
from checkout.ledger.messages import PostEntries
from checkout.ledger.models import LedgerEntry
from checkout.payments.models import DeadLetter, OutboxMessage
from checkout.payments.timers import unposted as module
from checkout.payments.timers.unposted import is_posting, tell_the_ledger_again
from messaging.access.proofs import prove
from messaging.outbox.models import enqueue
from tests.payments.service.at_once import at_once
from tests.payments.service.delivering import admit, deliver

pytestmark = pytest.mark.django_db
LONG, RECENTLY = timedelta(minutes=11), timedelta(minutes=9)


@pytest.fixture(autouse=True)
def _ten_minutes(settings) -> None:
    settings.CHECKOUT_SERVICE_WAIT_SECONDS = 600


def told(reference: str, ago: timedelta = LONG, *, is_published: bool = True) -> OutboxMessage:
    body = PostEntries(payment="pay_1", kind="captured", reference=reference, minor=1250, currency="GBP")
    written = enqueue(OutboxMessage, *body.address, body, subject="pay_1")
    row = OutboxMessage.objects.get(message_id=written.message_id)
    then = timezone.now() - ago
    row.headers = prove(row.envelope()).headers
    row.created_at = row.available_at = then
    row.published_at = then if is_published else None
    row.save()
    return row


def post(row: OutboxMessage) -> None:
    deliver(ledger.service, row.envelope())


def due() -> set[str]:
    """Return the messages that the relay will publish now, and publish them."""
    rows = OutboxMessage.objects.filter(published_at=None, available_at__lte=timezone.now())
    names = set(rows.values_list("message_id", flat=True))
    rows.update(published_at=timezone.now())
    return names


def test_what_was_not_made_is_published_again_as_the_same_message_and_what_was_made_is_not():
    lost, made = told("op_1"), told("op_2")
    post(made)
    tell_the_ledger_again()
    assert due() == {lost.message_id}


def test_it_is_told_again_and_again_with_pauses_until_it_is_made():
    lost = told("op_1")
    for _ in range(3):
        tell_the_ledger_again()
        assert due() == {lost.message_id}
        tell_the_ledger_again()
        assert due() == set(), "it was told a moment ago"
        OutboxMessage.objects.update(published_at=timezone.now() - LONG)
    post(lost)
    tell_the_ledger_again()
    assert due() == set()
    assert LedgerEntry.objects.count() == 2


def test_what_was_told_a_moment_ago_has_time_and_is_looked_at_later():
    row = told("op_1", RECENTLY)
    tell_the_ledger_again()
    assert due() == set()
    OutboxMessage.objects.update(created_at=timezone.now() - LONG, published_at=timezone.now() - LONG)
    tell_the_ledger_again()
    assert due() == {row.message_id}


def test_the_walk_does_not_pass_what_is_not_published_yet():
    row = told("op_1", is_published=False)
    OutboxMessage.objects.update(available_at=timezone.now() + LONG)
    tell_the_ledger_again()
    OutboxMessage.objects.update(published_at=timezone.now() - LONG)
    tell_the_ledger_again()
    assert due() == {row.message_id}


def test_a_message_with_a_time_in_the_future_holds_up_nothing():
    told("op_1", -timedelta(days=1), is_published=False)
    lost = told("op_2")
    tell_the_ledger_again()
    assert due() == {lost.message_id}


def test_a_dead_letter_is_left_to_staff_and_holds_up_nothing():
    rejected, lost = told("op_1"), told("op_2")
    DeadLetter.objects.create(message_id=rejected.message_id, type=rejected.type, body=rejected.body)
    tell_the_ledger_again()
    assert due() == {lost.message_id}


def test_a_dead_letter_that_staff_have_sent_again_is_told_again_if_it_is_lost():
    row = told("op_1")
    letter = DeadLetter.objects.create(message_id=row.message_id, type=row.type, body=row.body)
    tell_the_ledger_again()
    assert due() == set()
    letter.requeued_at = timezone.now() - LONG
    letter.save()
    tell_the_ledger_again()
    assert due() == {row.message_id}
    assert is_posting("pay_1")


def test_what_died_because_its_key_was_replaced_is_proved_with_the_new_key(settings):
    row = told("op_1")
    DeadLetter.objects.create(message_id=row.message_id, type=row.type, body=row.body)
    settings.SECRET_KEY = "another key, as nobody may know any more the one before"
    assert is_posting("pay_1")
    tell_the_ledger_again()
    assert due() == {row.message_id}
    row.refresh_from_db()
    admit(ledger.service, row.envelope())


def test_what_nobody_has_proved_is_not_proved_now_and_holds_up_nothing():
    """Staff may have had a forged command sent again, without its proof."""
    forged, garbled, lost = told("op_1"), told("op_2"), told("op_3")
    OutboxMessage.objects.filter(pk=garbled.pk).update(body="{}")
    OutboxMessage.objects.filter(pk=forged.pk).update(headers={})
    DeadLetter.objects.create(message_id=forged.message_id, type=forged.type, body=forged.body)
    tell_the_ledger_again()
    assert due() == {lost.message_id}
    forged.refresh_from_db()
    assert forged.headers == {}


def test_all_sent_messages_are_walked_through(monkeypatch):
    monkeypatch.setattr(module, "ROWS", 2)
    for number in range(3):
        post(told(f"op_{number}"))
    lost = told("op_3")
    while tell_the_ledger_again().has_more:
        pass
    assert due() == {lost.message_id}


@pytest.mark.django_db(transaction=True)
def test_two_relays_at_once_publish_it_once():
    lost = told("op_1")
    at_once(*[tell_the_ledger_again] * 4)
    assert due() == {lost.message_id}


def test_a_posting_is_on_its_way_until_it_is_made_or_is_for_staff():
    first, second = told("op_1"), told("op_2")
    assert is_posting("pay_1")
    assert not is_posting("pay_2")
    post(first)
    assert is_posting("pay_1")
    DeadLetter.objects.create(message_id=second.message_id, type=second.type, body=second.body)
    assert not is_posting("pay_1")
