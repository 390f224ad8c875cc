"""Charge-backs and reversals, from the notification to the money in the ledger."""

import json

import pytest
from pytest_django import Settings

from checkout.errors import AmountNotAvailable
from checkout.ledger.models import LedgerEntry
from checkout.payments.actions import request_refund
from checkout.payments.models import Fact, Operation, Payment, Saga
from checkout.states import PaymentState
from checkout.web import notifications as webhooks
from messaging.concurrency.database import in_thread
from tests.flows.shopping import balances_at_rest, euros, eventually, notify_all, pay, saga_status, state_of
from tests.support.memory_provider.books import Books
from tests.support.reconciling import reconcile


@pytest.fixture(autouse=True)
def _little_patience(settings: Settings) -> None:
    settings.CHECKOUT_INQUIRY_DELAYS = [0.05] * 3
    settings.CHECKOUT_ORDER_LAG_SECONDS = 0


async def captured(payment: Payment, books: Books) -> None:
    await pay(payment, "approve")
    await eventually(saga_status(payment), "completed")
    await notify_all(books)
    await eventually(saga_status(payment, "capture"), "completed")


async def refunded(payment: Payment, minor: int, books: Books) -> None:
    await in_thread(request_refund, payment.reference, amount=euros(minor), by="ada")
    await eventually(lambda: Operation.objects.filter(kind="refund").values_list("state").get(), ("pending",))
    await notify_all(books)
    await eventually(saga_status(payment, "refund"), "completed")


async def told(payment: Payment, event: str, minor: int, number: str) -> None:
    """Deliver the provider's notification."""
    statement = {
        "merchant_code": "SHOP",
        "order_code": f"{payment.reference}-1",
        "event": event,
        "minor": minor,
        "currency": "EUR",
        "reference": "",
        "number": number,
    }
    await webhooks.take("memory", json.dumps(statement).encode(), is_proven=True)


def nothing_runs() -> bool:
    return not Saga.objects.filter(status=Saga.Status.RUNNING).exists()


async def test_a_charge_back_and_its_reversal_are_posted_and_the_books_agree(
    back_end: None, payment: Payment, books: Books
) -> None:
    await captured(payment, books)
    await refunded(payment, 300, books)
    before = await balances_at_rest()
    order = books.orders[f"{payment.reference}-1"]
    order.charged_back = euros(950)
    await told(payment, "CHARGED_BACK", 950, "e-1")
    await eventually(saga_status(payment, "charge_back"), "completed")
    assert await in_thread(state_of(payment)) == PaymentState.CHARGED_BACK
    assert await balances_at_rest() == {}
    assert await in_thread(reconcile) == []
    order.charged_back = euros(0)
    await told(payment, "CHARGE_BACK_REVERSED", 950, "e-2")
    await eventually(saga_status(payment, "charge_back_reversal"), "completed")
    assert await in_thread(state_of(payment)) == PaymentState.PARTIALLY_REFUNDED
    assert await balances_at_rest() == before
    assert await in_thread(reconcile) == []


async def test_one_charge_back_told_by_two_notifications_is_posted_once(
    back_end: None, payment: Payment, books: Books
) -> None:
    await captured(payment, books)
    books.orders[f"{payment.reference}-1"].charged_back = euros(300)
    for number in ("e-1", "e-1", "e-2"):
        await told(payment, "CHARGED_BACK", 300, number)
    await eventually(saga_status(payment, "charge_back"), "completed")
    await eventually(nothing_runs, True)
    assert await balances_at_rest() == {"merchant:payable": -950, "provider:captured": 950}
    assert await in_thread(LedgerEntry.objects.filter(posting__startswith="charged_back:").count) == 2


async def test_what_is_charged_back_cannot_be_refunded_and_the_rest_can(
    back_end: None, payment: Payment, books: Books
) -> None:
    await captured(payment, books)
    books.orders[f"{payment.reference}-1"].charged_back = euros(300)
    await told(payment, "CHARGED_BACK", 300, "e-1")
    await eventually(saga_status(payment, "charge_back"), "completed")
    with pytest.raises(AmountNotAvailable):
        await in_thread(request_refund, payment.reference, amount=euros(951), by="ada")
    await refunded(payment, 950, books)
    assert await in_thread(state_of(payment)) == PaymentState.CHARGED_BACK
    assert await balances_at_rest() == {}


async def test_a_charge_back_of_more_than_was_taken_waits_for_staff(
    back_end: None, payment: Payment, books: Books
) -> None:
    await captured(payment, books)
    before = await balances_at_rest()
    books.orders[f"{payment.reference}-1"].charged_back = euros(1251)
    await told(payment, "CHARGED_BACK", 1251, "e-1")
    await eventually(saga_status(payment, "asking"), "parked")
    assert await in_thread(state_of(payment)) == PaymentState.CAPTURED
    assert await balances_at_rest() == before
    parked = await in_thread(Fact.objects.get, kind="saga_parked")
    assert "more than is taken and not given back" in parked.data["why"]
