"""A card that cannot be published at once is published later, from memory, or not at all."""

import asyncio

import pytest

from checkout.conf import conf
from checkout.payments.models import Attempt, OutboxMessage, Payment
from checkout.states import PaymentState
from checkout.web import pending_publishes
from messaging.concurrency.database import in_thread
from messaging.memory.server import MemoryServer


@pytest.fixture
def broker_away(back_end):
    """Stop the broker, and return it."""
    server = MemoryServer.at(conf.broker_url)
    server.stop()
    yield server
    server.resume()


def is_paid():
    return PaymentState(Payment.objects.get().state).is_paid


def is_refused():
    return Payment.objects.get().state == PaymentState.REFUSED


def nothing_is_kept():
    return not pending_publishes._publishing


async def until(holds):
    async with asyncio.timeout(20):
        while not await in_thread(holds):  # noqa: ASYNC110
            await asyncio.sleep(0.02)


async def test_a_card_is_passed_on_when_the_broker_is_back(broker_away, books, checkout):
    answer = await checkout.pay("approve")
    assert (answer.status, answer.headers["location"]) == (303, checkout.path("status/"))
    broker_away.resume()
    await until(is_paid)
    assert [order.state for order in books.orders.values()] == ["authorised"]


async def test_a_card_that_waited_too_long_is_not_passed_on(broker_away, books, checkout, monkeypatch):
    monkeypatch.setattr(pending_publishes, "KEPT_SECONDS", 0)
    await checkout.pay("approve")
    await until(nothing_is_kept)
    broker_away.resume()
    await in_thread(OutboxMessage.objects.update, available_at="2020-01-01T00:00Z")
    await until(is_refused)
    assert "Please enter them again" in (await checkout.get("result/")).text
    assert not books.orders


@pytest.mark.parametrize("bound", ["MAX_KEPT", "MAX_KEPT_BYTES"])
async def test_no_more_is_kept_than_there_is_room_for(broker_away, checkout, monkeypatch, bound):
    monkeypatch.setattr(pending_publishes, bound, 0)
    answer = await checkout.pay("approve")
    assert answer.headers["location"] == checkout.path("status/")
    assert nothing_is_kept()


async def test_a_shopper_who_leaves_while_the_payment_is_written_down_has_paid(back_end, books, checkout):
    form = await checkout.filled_form("approve")
    with checkout.client.started("POST", checkout.path("pay/"), data=form) as exchange:
        await exchange.send_input({"type": "http.disconnect"})
        await exchange.wait(20)
    await until(is_paid)
    assert await in_thread(Attempt.objects.count) == 1


async def test_a_process_that_ends_publishes_what_it_can_and_forgets_the_rest(broker_away, books, checkout):
    await checkout.pay("approve")
    broker_away.resume()
    await pending_publishes.flush()
    await until(is_paid)
