"""Each mutant shows its intended error, and the product does not."""

import asyncio
import os
import subprocess
import sys

import pytest
from django.db import transaction

from checkout.money import Money
from checkout.payments import service as payments
from checkout.payments.actions.shopper.pending import enqueue_command
from checkout.payments.checkout_messages import AwaitPayment
from checkout.payments.models import InboxMessage, Operation, OutboxMessage, ProviderCall, Saga
from checkout.payments.sagas.orchestration import orchestrator, question_ids
from checkout.payments.sagas.orchestration.locking import saga_waiting_for
from checkout.payments.sagas.purchase.data import PurchaseData
from checkout.payments.sagas.purchase.flow import Purchase
from checkout.risk import service as risk
from checkout.risk.messages import AssessRisk
from checkout.risk.models import RiskAssessment
from messaging.delivery import Delivery
from messaging.envelope import Reply
from messaging.registry import close_brokers, get_broker
from messaging.worker.service import Service
from messaging.worker.worker import Worker
from tests.payments.service import crashing
from tests.payments.service.asking import authorise, operation_on, to_capture
from tests.payments.service.delivering import command, deliver
from tests.support.mutants import MUTANTS, applied
from tests.support.program import ROOT

pytestmark = pytest.mark.django_db(transaction=True)


def to_assess():
    body = AssessRisk(payment="pay_1", minor=1250, currency="GBP", email="", ip_address="")
    return command(body)


def test_without_an_inbox_a_message_that_comes_twice_has_its_effect_twice():
    deliver_twice(risk.service, to_assess())
    assert RiskAssessment.objects.count() == 1
    with applied("no_inbox"):
        deliver_twice(risk.service, to_assess())
    assert RiskAssessment.objects.count() == 1 + 2


def test_without_an_intent_a_crash_at_the_answer_captures_twice(attempt, books):
    authorise(attempt, "approve")
    order = books.orders[attempt.order_code]
    crash_at_the_answer(to_capture(operation_on(attempt, Operation.Kind.CAPTURE, minor=100)))
    assert order.captured == Money(100, "GBP")
    with applied("no_intent_row"):
        crash_at_the_answer(to_capture(operation_on(attempt, Operation.Kind.CAPTURE, minor=100)))
        assert ProviderCall.objects.filter(verb="capture").count() == 1
    assert order.captured == Money(100 + 2 * 100, "GBP")


def test_without_a_version_check_a_saga_takes_any_reply_and_any_deadline(attempt):
    saga = Saga.objects.create(
        kind="purchase",
        key="1",
        payment=attempt.payment,
        attempt=attempt,
        step="risk",
        version=2,
    )
    earlier, saga.awaiting = question_ids.new(saga, "risk"), question_ids.new(saga, "risk")
    saga.save()
    with transaction.atomic():
        assert saga_waiting_for(saga.awaiting) == saga
        assert saga_waiting_for(earlier) is None
        assert not orchestrator._is_overdue(saga, version=1)
    with applied("no_version_check"), transaction.atomic():
        assert saga_waiting_for(earlier) == saga
        assert orchestrator._is_overdue(saga, version=1)


async def test_acknowledged_before_the_commit_a_message_is_gone_before_it_is_handled(monkeypatch):
    was_acknowledged = []

    async def deal_with(worker: Worker, delivery: Delivery) -> None:
        was_acknowledged.append(delivery.settle is None)

    async def begin() -> None:
        worker = Worker(
            get_broker(), Service("any"), inbox_model=InboxMessage, outbox_model=OutboxMessage, concurrency=1
        )
        worker._begin(Delivery(envelope=None, exchange="", routing_key="", settle=lambda *_how: None))
        await asyncio.gather(*worker._tasks)

    monkeypatch.setattr(Worker, "_deal_with", deal_with)
    await begin()
    with applied("ack_before_commit"):
        await begin()
    await close_brokers()
    assert was_acknowledged == [False, True]


def test_a_blind_retry_authorises_twice_when_only_the_answer_was_lost(attempt, books):
    with applied("blind_retry"):
        authorise(attempt, "unknown")
    assert [order.state for order in books.orders.values()] == ["authorised"] * 2


def test_compensated_while_unknown_a_purchase_is_refused(attempt):
    data = PurchaseData(
        payment="pay_1",
        attempt="pay_1-1",
        minor=1250,
        currency="GBP",
        email="",
        ip_address="",
        lines=[],
        captures=True,
        capture_operation="op_1",
    )
    reply = Reply.success({"outcome": "unknown"})
    assert Purchase().on_reply("authorise", data, reply).transitions == ("outcome_unknown",)
    with applied("compensation_while_unknown"):
        assert Purchase().on_reply("authorise", data, reply).transitions == ("refused",)


def test_without_an_outbox_nothing_is_left_of_what_is_sent(attempt):
    with applied("no_outbox"):
        assert len(deliver(risk.service, to_assess()).outgoing) == 1
        assert enqueue_command("pay_1", AwaitPayment(payment="pay_1")).message_id
    assert not OutboxMessage.objects.exists()


def test_a_process_is_mutated_by_its_environment():
    where = "import django; django.setup(); from messaging.worker.worker import Worker"
    told = subprocess.run(
        [sys.executable, "-c", f"{where}; print(Worker._begin.__module__)"],
        cwd=ROOT,
        env={
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "tests.support.mutant_settings",
            "MUTANT": "ack_before_commit",
        },
        capture_output=True,
        text=True,
        check=True,
    )
    assert told.stdout.strip() == "tests.support.mutants"


@pytest.mark.parametrize("name", MUTANTS)
def test_nothing_of_a_mutant_stays_behind(name, attempt):
    with applied(name):
        pass
    authorise(attempt, "approve")
    assert ProviderCall.objects.get().outcome == "approved"
    assert OutboxMessage.objects.filter(type="reply").exists()


def deliver_twice(service, envelope):
    for _ in range(2):
        deliver(service, envelope)


def crash_at_the_answer(envelope):
    with crashing.before_the_outcome_is_stored(), pytest.raises(crashing.Crash):
        deliver(payments.service, envelope)
    deliver(payments.service, envelope)
