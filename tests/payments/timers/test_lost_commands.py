"""Commands that were lost, and for which nobody waits, are sent again until they are carried out."""

import json
from datetime import timedelta

import pytest
from django.utils import timezone

from checkout.ledger import service as ledger
from checkout.ledger.messages import PostEntries
from checkout.ledger.models import LedgerEntry
from checkout.payments.actions import deal_with_dead_letter
from checkout.payments.checkout_messages import StartOperation
from checkout.payments.models import (
    Attempt,
    DeadLetter,
    Operation,
    OutboxMessage,
    Payment,
    ProviderAccount,
    RetentionWalk,
    Saga,
)
from checkout.payments.postings import is_posting
from checkout.payments.sagas import service as checkout
from checkout.payments.timers import lost_commands as module
from checkout.payments.timers.lost_commands import send_lost_again
from messaging.access.proofs import prove
from messaging.outbox.models import enqueue
from tests.payments.service.at_once import at_once
from tests.payments.service.delivering import admit, deliver
from tests.support.given_up import give_up

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


def test_a_command_that_was_given_up_is_left_to_staff_and_holds_up_nothing():
    given_up, lost = told("op_1"), told("op_2")
    give_up(given_up)
    OutboxMessage.objects.update(published_at=timezone.now() - LONG)
    send_lost_again()
    assert due() == {lost.message_id}


def test_a_command_that_is_told_again_is_tried_as_often_as_before():
    row = told("op_1")
    OutboxMessage.objects.update(rejections=3, given_up_at=row.published_at)
    send_lost_again()
    row.refresh_from_db()
    assert (row.published_at, row.rejections, row.given_up_at) == (None, 0, None)


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
    """Staff may have sent a forged command again, which has no proof."""
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


def payment_of(account: ProviderAccount, order: str) -> Payment:
    payment = Payment.objects.create(
        merchant=account.merchant, order_reference=order, amount_minor=1250, currency="GBP", state="captured"
    )
    Attempt.objects.create(
        payment=payment, number=1, provider_account=account, order_code=f"{order}-1", state="authorised"
    )
    return payment


def refund_of(payment: Payment) -> Operation:
    return Operation.objects.create(
        payment=payment,
        attempt=payment.attempts.get(),
        kind="refund",
        amount_minor=100,
        currency="GBP",
        created_at=timezone.now() - LONG,
    )


@pytest.fixture
def refund(account: ProviderAccount) -> Operation:
    """Create a requested refund without a command, whose saga has not begun."""
    return refund_of(payment_of(account, "1"))


def start(operation: Operation) -> None:
    Saga.objects.create(
        kind=operation.kind,
        key=operation.reference,
        payment=operation.payment,
        attempt=operation.attempt,
        step="refund",
    )


def begun_now() -> list[str]:
    """Run the timer, and return the operations whose sagas the relay's commands then begin."""
    send_lost_again()
    return published()


def published() -> list[str]:
    """Return the operations whose beginning commands the relay will publish now, and publish them."""
    bodies = OutboxMessage.objects.filter(message_id__in=due(), type=StartOperation.to).order_by("pk")
    return [json.loads(body)["operation"] for body in bodies.values_list("body", flat=True)]


def a_day_later() -> None:
    RetentionWalk.objects.update(began_at=timezone.now() - timedelta(days=1))


def test_an_operation_whose_beginning_was_lost_is_begun_again_until_it_has_begun(refund):
    for _ in range(2):
        assert begun_now() == [refund.reference]
        assert begun_now() == [], "its command was published a moment ago"
        OutboxMessage.objects.update(published_at=timezone.now() - LONG)
    start(refund)
    assert begun_now() == []


def test_the_new_command_of_an_operation_is_one_that_begins_it(refund):
    send_lost_again()
    deliver(checkout.service, OutboxMessage.objects.get().envelope())
    assert (Saga.objects.get().kind, Saga.objects.get().key) == ("refund", refund.reference)


def test_a_command_that_is_still_to_be_published_is_not_doubled(refund):
    send_lost_again()
    OutboxMessage.objects.update(created_at=timezone.now() - LONG, available_at=timezone.now() + LONG)
    send_lost_again()
    assert OutboxMessage.objects.count() == 1


def test_another_operation_of_the_same_payment_is_begun_although_one_has_begun(refund):
    other = refund_of(refund.payment)
    assert begun_now() == [refund.reference, other.reference]
    OutboxMessage.objects.filter(body__contains=other.reference).update(published_at=timezone.now() - LONG)
    assert begun_now() == [other.reference]
    start(other)
    OutboxMessage.objects.update(published_at=timezone.now() - LONG)
    assert begun_now() == [refund.reference]


def test_a_saga_of_another_kind_is_not_the_operations(refund):
    start(refund)
    Saga.objects.update(kind="asking")
    assert begun_now() == [refund.reference]


@pytest.mark.parametrize("kind", ["charge_back", "void"])
def test_an_operation_that_was_found_to_be_done_is_begun_as_well(refund, kind):
    Operation.objects.update(kind=kind, state=Operation.State.DONE)
    assert begun_now() == [refund.reference]


def test_a_capture_that_the_authorisation_includes_is_left_to_its_purchase_while_that_is_under_way(refund):
    Operation.objects.update(kind="capture", state=Operation.State.PENDING)
    Attempt.objects.update(capture_reference=refund.reference)
    purchase = Saga.objects.create(
        kind="purchase", key="p", payment=refund.payment, attempt=refund.attempt, step="inquire"
    )
    assert begun_now() == []
    purchase.status = Saga.Status.PARKED
    purchase.save()
    assert begun_now() == [refund.reference]
    deliver(checkout.service, OutboxMessage.objects.get().envelope())
    saga = Saga.objects.get(kind="capture")
    assert (saga.step, saga.status) == ("await_provider", "running"), "it is not sent"


def test_an_operation_that_was_settled_is_not_begun(refund):
    Operation.objects.update(state=Operation.State.REFUSED)
    assert begun_now() == []


def test_an_operation_that_was_requested_a_moment_ago_has_time(refund):
    Operation.objects.update(created_at=timezone.now() - RECENTLY)
    assert begun_now() == []
    Operation.objects.update(created_at=timezone.now() - LONG)
    assert begun_now() == [refund.reference]


def test_an_operation_with_a_time_in_the_future_holds_up_nothing(refund):
    Operation.objects.update(created_at=timezone.now() + timedelta(days=1))
    start(refund)
    other = refund_of(refund.payment)
    assert begun_now() == [other.reference]


def test_an_operation_whose_beginning_is_a_dead_letter_is_left_to_staff_until_they_have_dealt_with_it(refund):
    letter = DeadLetter.objects.create(
        message_id="1", type=StartOperation.to, subject=refund.payment.reference
    )
    assert begun_now() == []
    letter.dealt_with_at = timezone.now()
    letter.save()
    assert begun_now() == [], "the walk has passed it"
    a_day_later()
    assert begun_now() == [refund.reference]


def test_an_operation_whose_beginning_was_given_up_is_left_to_staff_until_they_have_dealt_with_it(refund):
    assert begun_now() == [refund.reference]
    give_up(OutboxMessage.objects.get())
    OutboxMessage.objects.update(published_at=timezone.now() - LONG)
    assert begun_now() == []
    deal_with_dead_letter(DeadLetter.objects.get().pk, by="ada", note="The relay may publish it again.")
    a_day_later()
    assert begun_now() == [refund.reference]


def test_it_holds_up_no_operation_of_another_payment(refund, account):
    DeadLetter.objects.create(message_id="1", type=StartOperation.to, subject=refund.payment.reference)
    other = refund_of(payment_of(account, "2"))
    assert begun_now() == [other.reference]


def test_an_operation_whose_dead_letter_staff_have_sent_again_is_begun_if_that_is_lost(refund):
    DeadLetter.objects.create(
        message_id="1",
        type=StartOperation.to,
        subject=refund.payment.reference,
        requeued_at=timezone.now() - LONG,
    )
    assert begun_now() == [refund.reference]


def test_all_operations_are_walked_through_and_once_a_day_again(refund, monkeypatch):
    monkeypatch.setattr(module, "ROWS", 2)
    begun = [refund, *(refund_of(refund.payment) for _ in range(3))]
    for operation in begun:
        start(operation)
    lost = refund_of(refund.payment)
    while send_lost_again().has_more:
        pass
    assert published() == [lost.reference]
    start(lost)
    Saga.objects.filter(key=begun[0].reference).delete()
    assert begun_now() == []
    a_day_later()
    assert begun_now() == [begun[0].reference]


@pytest.mark.django_db(transaction=True)
def test_two_relays_at_once_begin_an_operation_once(refund):
    at_once(*[send_lost_again] * 4)
    assert published() == [refund.reference]
