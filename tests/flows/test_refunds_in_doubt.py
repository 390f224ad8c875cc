"""Refunds that were reported as failed: the final state of the provider's books and ours."""

import json

import pytest
from pytest_django import Settings

from checkout.errors import AmountNotAvailable
from checkout.payments.actions import request_refund
from checkout.payments.models import Operation, Payment, Saga
from checkout.states import PaymentState
from checkout.web import notifications as webhooks
from messaging.concurrency.database import in_thread
from tests.flows.shopping import (
    balances,
    balances_at_rest,
    captured,
    euros,
    eventually,
    notify_all,
    operation_states,
    saga_status,
    state_of,
)
from tests.support.memory_provider.books import Books

DONE = Operation.State.DONE


@pytest.fixture(autouse=True)
def _little_patience(settings: Settings) -> None:
    settings.CHECKOUT_INQUIRY_DELAYS = [0.05] * 200
    settings.CHECKOUT_ORDER_LAG_SECONDS = 0


def notification(payment: Payment, event: str, refund: Operation, number: str) -> bytes:
    """Return a notification that anybody can send who knows the refund's reference."""
    statement = {
        "merchant_code": "SHOP",
        "order_code": f"{payment.reference}-1",
        "event": event,
        "minor": refund.amount_minor,
        "currency": "EUR",
        "reference": refund.reference,
        "number": number,
    }
    return json.dumps(statement).encode()


async def refunded(payment: Payment, minor: int, books: Books) -> Operation:
    """Make one more refund, until it is notified and booked."""
    request = await in_thread(request_refund, payment.reference, amount=euros(minor), by="ada")
    refund = await in_thread(Operation.objects.get, reference=request.reference)
    await eventually(lambda: Operation.objects.get(pk=refund.pk).state, "pending")
    await notify_all(books)
    await eventually(lambda: Saga.objects.get(key=refund.reference).status, "completed")
    return refund


async def test_a_refund_that_is_said_to_have_failed_and_did_not_cannot_be_made_again(
    back_end: None, manual: Payment, books: Books
) -> None:
    await captured(manual, books)
    request = await in_thread(request_refund, manual.reference, amount=euros(529), by="ada")
    refund = await in_thread(Operation.objects.get, reference=request.reference)
    await eventually(lambda: Operation.objects.get(pk=refund.pk).state, "pending")
    await webhooks.take("memory", notification(manual, "REFUND_FAILED", refund, "a lie"), is_proven=True)
    await eventually(lambda: Operation.objects.get(pk=refund.pk).state, DONE)
    await notify_all(books)
    await eventually(saga_status(manual, "refund"), "completed")
    with pytest.raises(AmountNotAvailable):
        await in_thread(request_refund, manual.reference, amount=euros(1250), by="ada")
    await refunded(manual, 1250 - 529, books)
    assert await in_thread(state_of(manual)) == PaymentState.REFUNDED
    assert books.orders[f"{manual.reference}-1"].refunded == euros(1250)
    assert await balances_at_rest() == {}


async def test_a_refund_that_comes_back_weeks_later_is_booked_back_once_the_provider_confirms_it(
    back_end: None, manual: Payment, books: Books
) -> None:
    await captured(manual, books)
    first, second = await refunded(manual, 529, books), await refunded(manual, 300, books)
    order = books.orders[f"{manual.reference}-1"]
    await webhooks.take("memory", notification(manual, "REFUND_FAILED", first, "a lie"), is_proven=True)
    order.refunded -= second.amount
    await webhooks.take("memory", notification(manual, "REFUND_FAILED", second, "the truth"), is_proven=True)
    await eventually(operation_states(manual), [DONE, DONE, "refused"])
    await eventually(lambda: Saga.objects.get(key=first.reference).status, "completed")
    await eventually(lambda: Saga.objects.get(key=second.reference).status, "compensated")
    assert await in_thread(state_of(manual)) == PaymentState.PARTIALLY_REFUNDED
    kept = 1250 - 529
    assert await balances_at_rest() == {"provider:captured": kept, "merchant:payable": -kept}


async def test_a_refund_that_failed_and_was_made_after_all_is_booked_whatever_else_was_refunded(
    back_end: None, manual: Payment, books: Books
) -> None:
    await captured(manual, books)
    first, _ = await refunded(manual, 529, books), await refunded(manual, 300, books)
    order = books.orders[f"{manual.reference}-1"]
    order.refunded -= first.amount
    await webhooks.take("memory", notification(manual, "REFUND_FAILED", first, "too early"), is_proven=True)
    await eventually(operation_states(manual), [DONE, "refused", DONE])
    order.refunded += first.amount
    await webhooks.take("memory", notification(manual, "REFUNDED", first, "after all"), is_proven=True)
    await eventually(operation_states(manual), [DONE, DONE, DONE])
    assert await in_thread(state_of(manual)) == PaymentState.PARTIALLY_REFUNDED
    kept = (order.captured - order.refunded).minor
    await eventually(balances, {"provider:captured": kept, "merchant:payable": -kept})
