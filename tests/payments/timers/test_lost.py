"""Commands that the broker has lost, and nobody waits for, are sent again until they are carried out."""

from datetime import timedelta

import pytest
from django.utils import timezone

from checkout.ledger import service as ledger
from checkout.ledger.messages import PostEntries
from checkout.ledger.models import LedgerEntry
from checkout.payments.checkout_messages import StartOperation
from checkout.payments.models import (
    Attempt,
    DeadLetter,
    Operation,
    OutboxMessage,
    Payment,
    ProviderAccount,
    Saga,
)
from checkout.payments.models.messages import send_to_checkout
from checkout.payments.timers import lost as module
from checkout.payments.timers.lost import is_posting, send_lost_again
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
    send_lost_again()
    assert due() == {lost.message_id}


def test_it_is_told_again_and_again_with_pauses_until_it_is_made():
    lost = told("op_1")
    for _ in range(3):
        send_lost_again()
        assert due() == {lost.message_id}
        send_lost_again()
        assert due() == set(), "it was told a moment ago"
        OutboxMessage.objects.update(published_at=timezone.now() - LONG)
    post(lost)
    send_lost_again()
    assert due() == set()
    assert LedgerEntry.objects.count() == 2


def test_what_was_told_a_moment_ago_has_time_and_is_looked_at_later():
    row = told("op_1", RECENTLY)
    send_lost_again()
    assert due() == set()
    OutboxMessage.objects.update(created_at=timezone.now() - LONG, published_at=timezone.now() - LONG)
    send_lost_again()
    assert due() == {row.message_id}


def test_the_walk_does_not_pass_what_is_not_published_yet():
    row = told("op_1", is_published=False)
    OutboxMessage.objects.update(available_at=timezone.now() + LONG)
    send_lost_again()
    OutboxMessage.objects.update(published_at=timezone.now() - LONG)
    send_lost_again()
    assert due() == {row.message_id}


def test_a_message_with_a_time_in_the_future_holds_up_nothing():
    told("op_1", -timedelta(days=1), is_published=False)
    lost = told("op_2")
    send_lost_again()
    assert due() == {lost.message_id}


def test_a_dead_letter_is_left_to_staff_and_holds_up_nothing():
    rejected, lost = told("op_1"), told("op_2")
    DeadLetter.objects.create(message_id=rejected.message_id, type=rejected.type, body=rejected.body)
    send_lost_again()
    assert due() == {lost.message_id}


def test_a_dead_letter_that_staff_have_sent_again_is_told_again_if_it_is_lost():
    row = told("op_1")
    letter = DeadLetter.objects.create(message_id=row.message_id, type=row.type, body=row.body)
    send_lost_again()
    assert due() == set()
    letter.requeued_at = timezone.now() - LONG
    letter.save()
    send_lost_again()
    assert due() == {row.message_id}
    assert is_posting("pay_1")


def test_what_died_because_its_key_was_replaced_is_proved_with_the_new_key(settings):
    row = told("op_1")
    DeadLetter.objects.create(message_id=row.message_id, type=row.type, body=row.body)
    settings.SECRET_KEY = "another key, as nobody may know any more the one before"
    assert is_posting("pay_1")
    send_lost_again()
    assert due() == {row.message_id}
    row.refresh_from_db()
    admit(ledger.service, row.envelope())


def test_what_nobody_has_proved_is_not_proved_now_and_holds_up_nothing():
    """Staff may have had a forged command sent again, without its proof."""
    forged, garbled, lost = told("op_1"), told("op_2"), told("op_3")
    OutboxMessage.objects.filter(pk=garbled.pk).update(body="{}")
    OutboxMessage.objects.filter(pk=forged.pk).update(headers={})
    DeadLetter.objects.create(message_id=forged.message_id, type=forged.type, body=forged.body)
    send_lost_again()
    assert due() == {lost.message_id}
    forged.refresh_from_db()
    assert forged.headers == {}


def test_all_sent_messages_are_walked_through(monkeypatch):
    monkeypatch.setattr(module, "ROWS", 2)
    for number in range(3):
        post(told(f"op_{number}"))
    lost = told("op_3")
    while send_lost_again().has_more:
        pass
    assert due() == {lost.message_id}


@pytest.mark.django_db(transaction=True)
def test_two_relays_at_once_publish_it_once():
    lost = told("op_1")
    at_once(*[send_lost_again] * 4)
    assert due() == {lost.message_id}


def test_a_posting_is_on_its_way_until_it_is_made_or_is_for_staff():
    first, second = told("op_1"), told("op_2")
    assert is_posting("pay_1")
    assert not is_posting("pay_2")
    post(first)
    assert is_posting("pay_1")
    DeadLetter.objects.create(message_id=second.message_id, type=second.type, body=second.body)
    assert not is_posting("pay_1")


@pytest.fixture
def refund(account: ProviderAccount) -> Operation:
    """Create a refund that is requested, and whose saga has not begun."""
    payment = Payment.objects.create(
        merchant=account.merchant, order_reference="1", amount_minor=1250, currency="GBP", state="captured"
    )
    attempt = Attempt.objects.create(
        payment=payment, number=1, provider_account=account, order_code="pay_2-1", state="authorised"
    )
    return Operation.objects.create(
        payment=payment, attempt=attempt, kind="refund", amount_minor=1250, currency="GBP"
    )


def begin(refund: Operation) -> OutboxMessage:
    command = StartOperation(payment=refund.payment.reference, operation=refund.reference)
    send_to_checkout(command, refund.payment.reference)
    row = OutboxMessage.objects.get(subject=refund.payment.reference)
    row.created_at = row.available_at = row.published_at = timezone.now() - LONG
    row.save()
    return row


def test_an_operation_whose_beginning_was_lost_is_begun_again_until_it_has_begun(refund):
    row = begin(refund)
    for _ in range(2):
        send_lost_again()
        assert due() == {row.message_id}
        OutboxMessage.objects.update(published_at=timezone.now() - LONG)
    Saga.objects.create(
        kind="refund", key=refund.reference, payment=refund.payment, attempt=refund.attempt, step="refund"
    )
    send_lost_again()
    assert due() == set()


def test_an_operation_whose_beginning_is_a_dead_letter_is_left_to_staff(refund):
    row = begin(refund)
    DeadLetter.objects.create(message_id=row.message_id, type=row.type, body=row.body)
    send_lost_again()
    assert due() == set()


def test_an_operation_that_was_settled_is_not_begun(refund):
    begin(refund)
    refund.state = Operation.State.REFUSED
    refund.save()
    send_lost_again()
    assert due() == set()
