"""Commands that are carried out in the flow's transaction, by the handlers of their services."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from checkout import checks
from checkout.ledger import service as ledger
from checkout.ledger.models import LedgerEntry
from checkout.orders import service as orders
from checkout.orders.messages import ReserveStock
from checkout.orders.models import Reservation, StockItem
from checkout.payments.checkout_messages import SubmitPayment
from checkout.payments.messages import AuthorisePayment
from checkout.payments.models import Attempt, InboxMessage, OutboxMessage, Saga, SagaStep
from checkout.payments.sagas.orchestration import in_place
from checkout.payments.sagas.service import service as checkout_service
from checkout.receipts import service as receipts
from checkout.risk import service as risk
from checkout.risk.messages import AssessRisk
from checkout.risk.models import BlockedValue
from messaging.worker.service import CommandRejected
from tests.payments.service.delivering import Delivered, command, deliver
from tests.payments.service.replying import answered

pytestmark = pytest.mark.django_db

EVERY = [each.service for each in (risk, orders, ledger, receipts)]


@pytest.fixture(autouse=True)
def everything_in_place(db: None) -> Iterator[None]:
    in_place.choose(EVERY)
    yield
    in_place.choose([])


def submit(attempt: Attempt) -> Delivered:
    body = SubmitPayment(payment=attempt.payment.reference, attempt=attempt.order_code)
    return deliver(checkout_service, command(body, sealed="the card"))


def types(delivered: Delivered) -> list[str]:
    return [each.type for each in delivered.commands]


def the_saga() -> Saga:
    return Saga.objects.get(kind="purchase")


def answering(monkeypatch: pytest.MonkeyPatch, service: Any, type: str, answer: Any) -> None:
    """Let a service of ours answer as a faulty release of it would."""
    handler = replace(service.commands[type], function=answer)
    monkeypatch.setitem(service.commands, type, handler)


def test_a_submission_goes_to_the_payments_service_in_one_transaction(attempt):
    delivered = submit(attempt)
    assert types(delivered) == [AuthorisePayment.to]
    assert [each.type for each in InboxMessage.objects.all()] == [SubmitPayment.to]
    assert [row.type for row in OutboxMessage.objects.all()] == [AuthorisePayment.to]
    assert Reservation.objects.get().state == "reserved"
    saga = the_saga()
    assert (saga.step, saga.status) == ("authorise", "running")


def test_every_step_is_recorded_with_its_answer(attempt):
    submit(attempt)
    steps = SagaStep.objects.order_by("pk").values_list("command", "outcome")
    assert list(steps) == [(AssessRisk.to, "accept"), (ReserveStock.to, "ok"), (AuthorisePayment.to, "")]
    assert SagaStep.objects.filter(replied_at=None).get().command == AuthorisePayment.to


def test_the_card_goes_to_the_payments_service_only(attempt):
    [sent] = [each for each in submit(attempt).outgoing if each.envelope.type == AuthorisePayment.to]
    assert sent.envelope.sealed == "the card"


def test_a_refusal_answers_the_shopper_at_once_and_takes_no_stock(attempt):
    BlockedValue.objects.create(kind="email", value=attempt.payment.shopper_email)
    delivered = submit(attempt)
    assert delivered.result["state"] == "refused"
    assert delivered.commands == []
    assert the_saga().status == "compensated"
    assert not Reservation.objects.exists()


def test_goods_that_are_sold_out_leave_nothing_half_done(attempt):
    StockItem.objects.update(quantity=0)
    attempt.payment.lines = [{"sku": "tea", "quantity": 1}]
    attempt.payment.save()
    delivered = submit(attempt)
    assert delivered.result["state"] == "refused"
    assert Reservation.objects.get().state == "released"
    assert not LedgerEntry.objects.exists()


def test_a_service_that_is_busy_is_asked_again_by_a_message(attempt, monkeypatch):
    def busy(command: Any, message: Any) -> None:
        raise CommandRejected("busy", "Ask again.", retryable=True)

    answering(monkeypatch, orders.service, ReserveStock.to, busy)
    submit(attempt)
    [row] = OutboxMessage.objects.all()
    assert (row.type, row.available_at > row.created_at) == (ReserveStock.to, True)
    assert the_saga().awaiting


def test_an_answer_that_nobody_understands_decides_nothing(attempt, monkeypatch):
    answering(monkeypatch, risk.service, AssessRisk.to, lambda command, message: {"decision": "perhaps"})
    submit(attempt)
    assert OutboxMessage.objects.get().type == AssessRisk.to
    assert (the_saga().step, the_saga().status) == ("assess_risk", "running")


def test_a_service_that_breaks_leaves_nothing_behind(attempt, monkeypatch):
    def broken(command: Any, message: Any) -> None:
        raise ZeroDivisionError

    answering(monkeypatch, orders.service, ReserveStock.to, broken)
    with pytest.raises(ZeroDivisionError):
        submit(attempt)
    assert not Saga.objects.exists()
    assert not InboxMessage.objects.exists()


def test_a_flow_that_was_asking_by_message_goes_on_in_place(attempt):
    in_place.choose([])
    submit(attempt)
    in_place.choose(EVERY)
    delivered = answered(the_saga(), decision="accept", reasons=[])
    assert types(delivered) == [AuthorisePayment.to]
    assert Reservation.objects.get().state == "reserved"


@pytest.mark.parametrize(
    ("named", "fault"),
    [
        ("payments", "names 'payments'"),
        ("risk,stock", "names 'stock'"),
    ],
)
def test_only_services_without_cards_and_provider_can_be_in_place(settings, named, fault):
    settings.CHECKOUT_IN_PLACE = named
    [error] = checks.services_can_work_in_place()
    assert fault in error.msg


def test_a_service_with_a_database_of_its_own_cannot_be_in_place(settings, own_database):
    own_database("ledger")
    settings.CHECKOUT_IN_PLACE = "ledger"
    [error] = checks.services_can_work_in_place()
    assert "LEDGER_DATABASE_URL" in error.msg
