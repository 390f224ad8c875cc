"""A payment is not erased while a service still has work to do for it."""

import json
from datetime import timedelta
from typing import Any

import pytest
from django.db.models import F
from django.utils import timezone

from checkout.conf import conf
from checkout.errors import OperationRejected
from checkout.ledger import service as ledger
from checkout.ledger.messages import PostEntries
from checkout.messages import Command
from checkout.orders.messages import ReleaseStock
from checkout.payments.actions import deal_with_dead_letter, erase_payment, record_notification
from checkout.payments.actions.staff.erasure_conditions import require_that_all_is_handled
from checkout.payments.checkout_messages import AnnouncePayment, StartOperation
from checkout.payments.models import (
    Attempt,
    DeadLetter,
    InboxMessage,
    Operation,
    OutboxMessage,
    Payment,
    ProviderNotification,
    Saga,
)
from checkout.payments.timers.unmatched import try_unmatched_again
from messaging.access.proofs import prove
from messaging.outbox.models import enqueue
from tests.payments.service.delivering import deliver
from tests.support.given_up import give_up

pytestmark = pytest.mark.django_db


@pytest.fixture
def payment(attempt: Attempt) -> Payment:
    Payment.objects.update(state="captured")
    Attempt.objects.update(state="authorised")
    return Payment.objects.get()


def sent(payment: Payment, command: Command[Any], **about: Any) -> OutboxMessage:
    """Write a command whose row says that it was published."""
    written = enqueue(OutboxMessage, *command.address, command, subject=payment.reference)
    row = OutboxMessage.objects.filter(message_id=written.message_id)
    row.update(published_at=timezone.now(), **about)
    return row.get()


def handle(row: OutboxMessage, *, by: str = "", database: str = "default") -> None:
    InboxMessage.objects.using(database).create(
        consumer=by or row.routing_key,
        message_id=row.message_id,
        type=row.type,
        subject=row.subject,
        received_at=timezone.now(),
    )


def erase(payment) -> None:
    erase_payment(payment.reference, by="ada", reason="She asked.")


def refused(payment) -> str:
    with pytest.raises(OperationRejected) as refusal:
        erase(payment)
    return str(refusal.value)


def operation(payment, kind="capture", **about) -> Operation:
    attempt = payment.attempts.get()
    return Operation.objects.create(
        payment=payment, attempt=attempt, kind=kind, amount_minor=1250, currency="GBP", **about
    )


def begin(operation: Operation) -> None:
    Saga.objects.create(
        kind=operation.kind,
        key=operation.reference,
        payment=operation.payment,
        attempt=operation.attempt,
        step="finished",
        status=Saga.Status.COMPLETED,
    )


@pytest.mark.parametrize("kind", ["capture", "charge_back"])
@pytest.mark.parametrize("state", ["requested", "done"])
def test_an_operation_has_to_begin_before_it(payment, kind, state):
    begun = operation(payment, state="done")
    begin(begun)
    late = operation(payment, kind, state=state)
    assert "has not begun yet. Try again in a moment." in refused(payment)
    begin(late)
    erase(payment)


def test_a_saga_that_begins_while_the_others_are_looked_at_is_waited_for(payment):
    """The query for running sagas ran before the new saga was committed."""
    begun = operation(payment, state="done")
    begin(begun)
    Saga.objects.filter(key=begun.reference).update(status=Saga.Status.RUNNING)
    with pytest.raises(OperationRejected, match="Try again in a moment"):
        require_that_all_is_handled(payment)


def test_an_operation_that_was_refused_need_not_begin(payment):
    operation(payment, state="refused")
    erase(payment)


def test_a_saga_of_another_kind_has_not_begun_the_operation(payment):
    late = operation(payment, "refund")
    begin(operation(payment, "capture"))
    Saga.objects.update(key=late.reference)
    Operation.objects.exclude(pk=late.pk).delete()
    assert "has not begun" in refused(payment)


@pytest.mark.parametrize("command", [AnnouncePayment, StartOperation])
def test_a_command_that_was_published_has_to_be_handled_before_it(payment, command):
    body = {"operation": "op_1"} if command is StartOperation else {}
    row = sent(payment, command(payment=payment.reference, **body))
    assert f"The command {command.to} about the payment has not been handled yet." in refused(payment)
    handle(row, by="orders")
    assert "Try again in a moment." in refused(payment), "another service has handled it"
    handle(row)
    erase(payment)
    assert not OutboxMessage.objects.exists()


def test_what_is_about_another_payment_or_is_no_command_does_not_count(payment):
    sent(payment, AnnouncePayment(payment="pay_2"), subject="pay_2")
    sent(payment, AnnouncePayment(payment=payment.reference), exchange="checkout.events")
    erase(payment)


def test_a_command_that_is_a_dead_letter_was_dealt_with_or_must_be_handled(payment):
    row = sent(payment, AnnouncePayment(payment=payment.reference))
    letter = DeadLetter.objects.create(message_id=row.message_id, type=row.type, subject=payment.reference)
    assert "A step of the payment failed" in refused(payment)
    letter.requeued_at = timezone.now()
    letter.save()
    assert "has not been handled" in refused(payment)
    letter.dealt_with_at = timezone.now()
    letter.save()
    assert "has not been handled" in refused(payment), "it was sent again after all"
    letter.requeued_at = None
    letter.save()
    erase(payment)


def test_a_command_that_was_given_up_blocks_it_until_staff_have_dealt_with_its_dead_letter(payment):
    give_up(sent(payment, AnnouncePayment(payment=payment.reference)))
    assert "A step of the payment failed" in refused(payment)
    deal_with_dead_letter(DeadLetter.objects.get().pk, by="ada", note="Announced by telephone.")
    erase(payment)
    assert not OutboxMessage.objects.exists()


def test_a_command_is_not_looked_for_once_no_inbox_remembers_it(payment):
    row = sent(payment, AnnouncePayment(payment=payment.reference))
    row.created_at = timezone.now() - conf.retention + timedelta(minutes=1)
    row.save()
    assert "has not been handled" in refused(payment)
    row.created_at -= timedelta(minutes=1)
    row.save()
    erase(payment)


def test_a_service_that_keeps_its_inbox_elsewhere_is_not_waited_for(payment):
    sent(payment, ReleaseStock(payment=payment.reference, attempt="pay_1-1"))
    erase(payment)


def test_a_service_that_keeps_its_inbox_here_is_waited_for(payment):
    handle(sent(payment, ReleaseStock(payment="pay_2", attempt="pay_2-1"), subject="pay_2"))
    late = sent(payment, ReleaseStock(payment=payment.reference, attempt="pay_1-1"))
    assert "orders.release" in refused(payment)
    handle(late)
    erase(payment)


def test_the_inbox_is_that_of_the_services_own_database(payment, own_database):
    own_database("orders")
    handle(sent(payment, ReleaseStock(payment="pay_2", attempt="1"), subject="pay_2"), database="orders")
    late = sent(payment, ReleaseStock(payment=payment.reference, attempt="pay_1-1"))
    assert "orders.release" in refused(payment)
    handle(late, database="orders")
    erase(payment)


def test_a_posting_has_to_be_in_the_ledger_before_it_whatever_its_inbox_has(payment):
    body = PostEntries(
        payment=payment.reference, kind="captured", reference="op_1", minor=1250, currency="GBP"
    )
    row = sent(payment, body)
    OutboxMessage.objects.update(headers=prove(row.envelope()).headers)
    handle(row, by="another")
    assert "ledger has not posted" in refused(payment)
    deliver(ledger.service, row.envelope())
    InboxMessage.objects.filter(consumer="ledger").update(message_id="of another posting")
    erase(payment)


@pytest.fixture
def notification(payment: Payment, settings) -> ProviderNotification:
    """Return a notification about the payment that was just stored."""
    attempt = payment.attempts.get()
    statement = {
        "merchant_code": "TWINMERCHANT",
        "order_code": attempt.order_code,
        "event": "AUTHORISED",
        "minor": 1250,
        "currency": "GBP",
        "reference": "",
        "number": 1,
    }
    settings.CHECKOUT_PROVIDER_CREDENTIALS = {attempt.provider_account.code: {}}
    record_notification(attempt.provider_account.code, json.dumps(statement).encode())
    return ProviderNotification.objects.get()


def test_a_notification_has_to_be_applied_before_it(payment, notification):
    assert "has not been applied yet. Try again in a moment." in refused(payment)
    notification.state, notification.next_try_at = ProviderNotification.State.APPLIED, None
    notification.save()
    erase(payment)


def test_it_is_found_by_what_it_says_and_not_by_what_is_kept_of_its_body(payment, notification):
    ProviderNotification.objects.update(body="[secret]")
    assert "notification about the payment has not been applied yet" in refused(payment)


def test_a_notification_that_cannot_be_applied_waits_for_staff_as_its_command_does(payment, notification):
    ProviderNotification.objects.update(next_try_at=F("next_try_at") - timedelta(minutes=1))
    assert try_unmatched_again() == 1
    row = OutboxMessage.objects.get(type="payments.apply_notification")
    OutboxMessage.objects.update(published_at=timezone.now())
    assert "payments.apply_notification about the payment has not been handled yet" in refused(payment)
    letter = DeadLetter.objects.create(message_id=row.message_id, type=row.type, subject=row.subject)
    assert "A step of the payment failed" in refused(payment)
    letter.dealt_with_at = timezone.now()
    letter.save()
    erase(payment)
