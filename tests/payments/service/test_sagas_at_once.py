"""Concurrent messages to a purchase and the saga of its capture: each effect once, and no deadlock."""

import threading
from datetime import timedelta

import pytest
from django.db import connection, transaction
from django.utils import timezone

from checkout.payments.checkout_messages import (
    ApplyProviderEvent,
    CompleteChallenge,
    PassDeadline,
    StartOperation,
    SubmitPayment,
)
from checkout.payments.models import Attempt, Operation, Payment, Saga
from checkout.payments.sagas.service import service
from checkout.payments.timers.movable_clock import advance_clock
from checkout.states import PaymentState
from messaging.envelope import Envelope, Reply, new_message_id
from tests.payments.service.asking import operation_on
from tests.payments.service.at_once import at_once, behind, somebody_waits_for_a_lock
from tests.payments.service.delivering import Delivered, command, deliver
from tests.payments.service.replying import answered, deliver_reply, notified
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.postgresql, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def capturing(attempt: Attempt) -> Saga:
    body = SubmitPayment(payment=attempt.payment.reference, attempt=attempt.order_code)
    deliver(service, command(body, sealed="approve"))
    saga = Saga.objects.get()
    answered(saga, decision="accept")
    answered(saga, reserved=True)
    Attempt.objects.update(state=Attempt.State.AUTHORISED)
    answered(saga, outcome="approved")
    return saga


def reply(saga: Saga, **result: object) -> Envelope:
    return Envelope(
        type="reply",
        body=Reply.success(result).encode(),
        message_id=new_message_id(),
        correlation_id=saga.awaiting,
        headers={"subject": saga.payment.reference},
    )


def sent(saga_reply: Envelope) -> dict[str, str]:
    return by_id(deliver_reply(saga_reply))


def done(envelope: Envelope) -> dict[str, str]:
    return by_id(deliver(service, envelope))


def by_id(delivered: Delivered) -> dict[str, str]:
    """Return the types of the published commands by message id, as a redelivery may publish some again."""
    return {envelope.message_id: envelope.type for envelope in delivered.commands}


@pytest.mark.parametrize("_round", range(5))
def test_replies_notifications_and_deadlines_at_once_have_one_effect_each(capturing, _round):
    child = Saga.objects.get(parent=capturing)
    Operation.objects.update(state=Operation.State.DONE)
    pending = reply(child, outcome="pending")
    told = ApplyProviderEvent(
        payment=child.payment.reference, attempt=child.attempt.order_code, kind="captured"
    )
    late = CompleteChallenge(payment=child.payment.reference, attempt=child.attempt.order_code)
    deadline = PassDeadline(saga=child.pk, version=child.version)
    results = at_once(
        lambda: sent(pending),
        lambda: sent(reply(child, outcome="approved")),
        lambda: done(command(told)),
        lambda: done(command(told)),
        lambda: done(command(late)),
        lambda: done(command(deadline)),
        lambda: done(command(deadline)),
        lambda: sent(pending),
    )
    types = list({id: type for each in results for id, type in each.items()}.values())
    assert types.count("orders.confirm") == 1
    assert types.count("ledger.post") == 2, "as requested and as captured"
    assert types.count("payments.capture") <= 1
    capturing.refresh_from_db()
    assert capturing.step == "confirm_order"
    assert Payment.objects.get().state == PaymentState.CAPTURED


@pytest.mark.parametrize("_round", range(3))
def test_news_and_doubts_of_a_refund_at_once_are_posted_once_and_then_asked_about(attempt, _round):
    Attempt.objects.update(state=Attempt.State.AUTHORISED)
    Payment.objects.update(state=PaymentState.CAPTURED)
    refund = operation_on(attempt, Operation.Kind.REFUND)
    start = StartOperation(payment=attempt.payment.reference, operation=refund.reference)
    deliver(service, command(start))
    saga = Saga.objects.get()
    answered(saga, outcome="pending")
    Operation.objects.update(state=Operation.State.DONE)
    deadline = PassDeadline(saga=saga.pk, version=saga.version)

    def told(kind: str) -> dict[str, str]:
        return by_id(notified(attempt, kind, refund.reference))

    results = at_once(
        lambda: told("refunded"),
        lambda: told("refund_failed"),
        lambda: done(command(deadline)),
        lambda: told("refund_failed"),
        lambda: told("refunded"),
    )
    types = [type for each in results for type in each.values()]
    assert types.count("ledger.post") == 1
    assert "payments.inquire_operation" in types
    answered(saga, outcome="approved")
    assert (saga.step, saga.status) == ("finished", Saga.Status.COMPLETED)


def test_a_reply_that_comes_while_its_saga_is_changed_is_heard_after_that(capturing):
    child = Saga.objects.get(parent=capturing)
    pending = reply(child, outcome="pending")
    changed, waited_for = threading.Event(), threading.Event()

    def change() -> dict[str, str]:
        with transaction.atomic():
            Saga.objects.filter(pk=child.pk).update(updated_at=timezone.now())
            changed.set()
            assert waited_for.wait(20)
        return {}

    def hear() -> dict[str, str]:
        with connection.cursor() as cursor:  # this forces the query plan of large tables
            cursor.execute("SET enable_seqscan = off; SET enable_hashjoin = off; SET enable_mergejoin = off")
        assert changed.wait(20)
        return sent(pending)

    def watch() -> dict[str, str]:
        assert changed.wait(20)
        wait_until(somebody_waits_for_a_lock, "the reply to meet the lock")
        waited_for.set()
        return {}

    _, heard, _ = at_once(change, hear, watch)
    assert "ledger.post" in heard.values()


def test_the_time_of_a_payment_is_moved_after_its_saga_has_gone_on(capturing: Saga) -> None:
    """A transaction that waits for the saga's lock must not hold the payment's, which the saga needs next."""
    payment, began = capturing.payment, capturing.created_at
    behind(
        lambda: Saga.objects.select_for_update().get(pk=capturing.pk),
        lambda: advance_clock(payment.reference, timedelta(hours=1), merchant=payment.merchant),
        at_last=lambda: Payment.objects.select_for_update(no_key=True, nowait=True).get(pk=payment.pk),
    )
    capturing.refresh_from_db()
    assert began - capturing.created_at == timedelta(hours=1)
