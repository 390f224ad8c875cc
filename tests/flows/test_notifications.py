"""Notifications at wrong moments and with wrong content: the books are right in the end."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from pytest_django import Settings

from checkout.ledger.models import LedgerEntry
from checkout.payments.actions import request_capture
from checkout.payments.models import Operation, Payment, ProviderNotification, Saga, SagaStep
from checkout.states import PaymentState
from checkout.web import notifications as webhooks
from messaging.concurrency.database import in_thread
from tests.flows.shopping import (
    authorise,
    balances_at_rest,
    euros,
    eventually,
    nothing_is_left_to_apply,
    operation_states,
    pay,
    saga_status,
    state_of,
)
from tests.support.memory_provider.books import Books

State = ProviderNotification.State


def states() -> set[str]:
    return set(ProviderNotification.objects.values_list("state", flat=True))


async def paid(payment: Payment, books: Books) -> None:
    """Pay, and process the provider's notifications."""
    await pay(payment, "approve")
    await eventually(saga_status(payment), "completed")
    for body in books.notifications():
        await webhooks.take("memory", body, is_proven=True)
    await eventually(state_of(payment), PaymentState.CAPTURED)
    await eventually(saga_status(payment, "capture"), "completed")


def captured_once() -> bool:
    operations = list(Operation.objects.values_list("kind", "state"))
    return operations == [("capture", "done")] and LedgerEntry.objects.count() == 4


async def test_told_before_the_reply(
    back_end: None, payment: Payment, books: Books, before_the_answer: Callable[[], int]
) -> None:
    await pay(payment, "approve")
    await eventually(saga_status(payment), "completed")
    await eventually(state_of(payment), PaymentState.CAPTURED)
    await eventually(saga_status(payment, "capture"), "completed")
    await eventually(lambda: before_the_answer() >= 2, True)
    await eventually(captured_once, True)


async def test_told_again_and_again_and_backwards(back_end: None, payment: Payment, books: Books) -> None:
    await paid(payment, books)
    before = await balances_at_rest()
    for number in range(5):
        for body in reversed(books.notifications()):
            # Appended spaces make repetitions that differ in their bytes.
            await webhooks.take("memory", body + b" " * number, is_proven=True)
    await eventually(nothing_is_left_to_apply, True)
    assert await in_thread(states) == {State.APPLIED}
    assert await in_thread(state_of(payment)) == PaymentState.CAPTURED
    await eventually(captured_once, True)
    assert await balances_at_rest() == before


async def test_captured_is_told_before_authorised(back_end: None, payment: Payment, books: Books) -> None:
    await pay(payment, "approve")
    await eventually(saga_status(payment), "completed")
    for body in reversed(books.notifications()):
        await webhooks.take("memory", body, is_proven=True)
        await eventually(nothing_is_left_to_apply, True)
    await eventually(state_of(payment), PaymentState.CAPTURED)
    assert await in_thread(states) == {State.APPLIED}


@pytest.mark.parametrize(
    ("lie", "state"),
    [
        ({"minor": 1}, State.CONFLICTED),
        ({"minor": 125_000}, State.CONFLICTED),
        ({"currency": "USD"}, State.CONFLICTED),
        ({"merchant_code": "ANOTHER"}, State.CONFLICTED),
        ({"order_code": "pay_unknown-1"}, State.UNMATCHED),
        ({"event": "REFUSED"}, State.APPLIED),
    ],
    ids=["too little", "too much", "currency", "merchant", "order", "a refusal"],
)
async def test_what_is_not_true_moves_neither_payment_nor_money(
    back_end: None, payment: Payment, books: Books, lie: dict[str, Any], state: str
) -> None:
    await paid(payment, books)
    before = await balances_at_rest()
    told = json.loads(books.notifications()[0]) | {"number": 99} | lie
    await webhooks.take("memory", json.dumps(told).encode(), is_proven=True)
    await eventually(nothing_is_left_to_apply, True)
    row = await in_thread(ProviderNotification.objects.latest, "pk")
    assert row.state == state
    assert row.reason
    assert await in_thread(state_of(payment)) == PaymentState.CAPTURED
    assert await balances_at_rest() == before


async def capture_that_is_not_booked_yet(payment: Payment, books: Books) -> str:
    """Request a capture that the provider accepts but does not book yet. Return its reference."""
    await authorise(payment)
    request = await in_thread(request_capture, payment.reference, by="ada")
    await eventually(operation_states(payment), ["pending"])
    await eventually(step_of_capture, "await_provider")
    books.orders[f"{payment.reference}-1"].captured = euros(0)
    return request.reference


def step_of_capture() -> str:
    return Saga.objects.get(kind="capture").step


def questions() -> int:
    return SagaStep.objects.filter(command="payments.inquire_operation", replied_at__isnull=False).count()


def forged(payment: Payment, **changes: object) -> bytes:
    """Return a notification that a shopper can forge, who knows the order code."""
    told = {
        "merchant_code": "SHOP",
        "order_code": f"{payment.reference}-1",
        "event": "CAPTURED",
        "minor": 1250,
        "currency": "EUR",
        "reference": "",
        "number": "forged",
    }
    return json.dumps(told | changes).encode()


@pytest.mark.parametrize("is_true", [False, True])
async def test_captured_over_the_open_address_moves_nothing_and_the_provider_s_own_word_decides(
    back_end: None, manual: Payment, books: Books, settings: Settings, is_true: bool
) -> None:
    settings.CHECKOUT_INQUIRY_DELAYS = [3600]
    await capture_that_is_not_booked_yet(manual, books)
    before = await balances_at_rest()
    if is_true:
        books.orders[f"{manual.reference}-1"].captured = euros(1250)
    for number in range(25):
        await webhooks.take("memory", forged(manual, number=number), is_proven=False)
    await eventually(nothing_is_left_to_apply, True)
    await eventually(questions, 1)
    if is_true:
        await eventually(saga_status(manual, "capture"), "completed")
        assert await in_thread(state_of(manual)) == PaymentState.CAPTURED
        await eventually(captured_once, True)
    else:
        assert await in_thread(operation_states(manual)) == ["pending"]
        assert await in_thread(state_of(manual)) == PaymentState.CAPTURE_PENDING
        assert await balances_at_rest() == before
    assert await in_thread(questions) == 1


async def test_a_hint_that_is_proven_afterwards_is_believed(
    back_end: None, manual: Payment, books: Books, settings: Settings
) -> None:
    settings.CHECKOUT_INQUIRY_DELAYS = [3600]
    await capture_that_is_not_booked_yet(manual, books)
    body = books.notifications()[-1]
    await webhooks.take("memory", body, is_proven=False)
    await eventually(questions, 1)
    assert await in_thread(operation_states(manual)) == ["pending"]
    await webhooks.take("memory", body, is_proven=True)
    await eventually(saga_status(manual, "capture"), "completed")
    await eventually(captured_once, True)
    assert await in_thread(states) == {State.APPLIED}
