"""Notifications at every wrong moment and with every wrong content: the books end as they should."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.utils import timezone

from checkout import crash_points, webhooks
from checkout.database import in_thread
from checkout.models import LedgerEntry, Operation, OutboxMessage, Payment, ProviderNotification
from checkout.operations import record_notification
from checkout.providers.memory_books import Books
from checkout.states import PaymentState
from tests.flows.shopping import balances, eventually, pay, saga_status, state_of
from tests.support.waiting import wait_until

State = ProviderNotification.State


def states() -> set[str]:
    return set(ProviderNotification.objects.values_list("state", flat=True))


def nothing_is_left_to_apply() -> bool:
    return not ProviderNotification.objects.filter(state=State.RECEIVED).exists()


async def paid(payment: Payment, books: Books) -> None:
    """And the provider has told of it."""
    await pay(payment, "approve")
    await eventually(saga_status(payment), "completed")
    for body in books.notifications():
        await webhooks.take("memory", body)
    await eventually(state_of(payment), PaymentState.CAPTURED)
    await eventually(saga_status(payment, "capture"), "completed")


def hand_over_to_the_relay(message_id: str) -> None:
    OutboxMessage.objects.filter(message_id=message_id).update(available_at=timezone.now())


def captured_once() -> bool:
    operations = list(Operation.objects.values_list("kind", "state"))
    return operations == [("capture", "done")] and LedgerEntry.objects.count() == 4


@pytest.fixture
def before_the_answer(books: Books) -> Iterator[Callable[[], int]]:
    """Every notification is here, and applied, before the provider's own reply to the call that it is about.

    Yields how often that was so.
    """
    moments = 0

    def notify_first(point: str) -> None:
        nonlocal moments
        if point != "payments.answered":
            return
        for body in books.notifications():
            recorded = record_notification("memory", body)
            if recorded.owed is not None:
                hand_over_to_the_relay(recorded.owed.message_id)
        wait_until(nothing_is_left_to_apply, "the notification to be applied")
        moments += 1

    crash_points.observe(notify_first)
    yield lambda: moments
    crash_points.observe(None)


async def test_told_before_the_reply(
    back_end: None, payment: Payment, books: Books, before_the_answer: Callable[[], int]
) -> None:
    await pay(payment, "approve")
    await eventually(saga_status(payment), "completed")
    await eventually(state_of(payment), PaymentState.CAPTURED)
    await eventually(saga_status(payment, "capture"), "completed")
    await eventually(lambda: before_the_answer() >= 2, True)
    assert await in_thread(captured_once)


async def test_told_again_and_again_and_backwards(back_end: None, payment: Payment, books: Books) -> None:
    await paid(payment, books)
    before = await in_thread(balances)
    for number in range(5):
        for body in reversed(books.notifications()):
            # The first time as it was, then in other bytes.
            await webhooks.take("memory", body + b" " * number)
    await eventually(nothing_is_left_to_apply, True)
    assert await in_thread(states) == {State.APPLIED}
    assert await in_thread(state_of(payment)) == PaymentState.CAPTURED
    assert await in_thread(captured_once)
    assert await in_thread(balances) == before


async def test_captured_is_told_before_authorised(back_end: None, payment: Payment, books: Books) -> None:
    await pay(payment, "approve")
    await eventually(saga_status(payment), "completed")
    for body in reversed(books.notifications()):
        await webhooks.take("memory", body)
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
    before = await in_thread(balances)
    told = json.loads(books.notifications()[0]) | {"number": 99} | lie
    await webhooks.take("memory", json.dumps(told).encode())
    await eventually(nothing_is_left_to_apply, True)
    row = await in_thread(ProviderNotification.objects.latest, "pk")
    assert row.state == state
    assert row.reason
    assert await in_thread(state_of(payment)) == PaymentState.CAPTURED
    assert await in_thread(balances) == before
