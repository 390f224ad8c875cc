"""A held request needs no thread and no database connection, and ends when its client leaves."""

import asyncio
import threading
from collections.abc import Callable
from contextlib import ExitStack

import pytest

from checkout.payments.models import Attempt, OutboxMessage
from messaging.concurrency.database import in_thread
from messaging.registry import close_brokers, get_broker
from payments_gateway.serving import async_handler
from payments_gateway.serving.scope import WHEN_LEFT
from tests.support.asgi import receive

HELD = 40


@pytest.fixture
async def nobody_answers(shop, books, settings):
    """Run a broker that accepts the command, without a service that consumes it."""
    settings.CHECKOUT_REPLY_BUDGET_SECONDS = 50
    broker = get_broker()
    broker.open()
    await broker.declare(broker.topology.service_queue("checkout"))
    yield
    await close_brokers()


async def until_waiting(count):
    node = get_broker().reply_queue
    async with asyncio.timeout(20):
        while node.waiting < count:  # noqa: ASYNC110  nobody announces a new waiter
            await asyncio.sleep(0.01)


async def test_held_requests_share_the_event_loop(nobody_answers, checkout, settings):
    form = await checkout.filled_form("approve")
    await in_thread(lambda: None)
    before = set(threading.enumerate())
    with ExitStack() as exchanges:
        for _ in range(HELD):
            exchanges.enter_context(checkout.client.started("POST", checkout.path("pay/"), data=form))
        await until_waiting(HELD)
        new = {thread.name.rpartition("_")[0] for thread in set(threading.enumerate()) - before}
    assert new <= {"database"}


async def test_a_client_that_leaves_ends_the_wait_and_not_the_work(nobody_answers, checkout):
    form = await checkout.filled_form("approve")
    with checkout.client.started("POST", checkout.path("pay/"), data=form) as exchange:
        await until_waiting(1)
        await exchange.send_input({"type": "http.disconnect"})
        await exchange.wait(20)
    assert get_broker().reply_queue.waiting == 0
    assert await in_thread(Attempt.objects.count) == 1
    assert await in_thread(OutboxMessage.objects.filter(type="checkout.submit_payment").count) == 1


async def test_a_server_that_says_that_the_client_has_left_ends_the_wait(nobody_answers, checkout):
    form = await checkout.filled_form("approve")
    notes: dict[str, list[Callable[[], None]]] = {WHEN_LEFT: []}
    when_left = notes[WHEN_LEFT]
    with checkout.client.started("POST", checkout.path("pay/"), data=form, notes=notes) as exchange:
        await until_waiting(1)
        (leave,) = when_left
        leave()
        await exchange.wait(20)
    assert when_left == []
    assert get_broker().reply_queue.waiting == 0


async def test_an_answer_has_a_length(shop, client):
    answer = await client.get("/livez")
    assert int(answer.headers["content-length"]) == len(answer.body)


async def test_a_request_that_is_answered_at_once_takes_no_task(shop, client, monkeypatch):
    # so that a slow machine makes no difference
    monkeypatch.setattr(async_handler, "WATCH_AFTER_SECONDS", 3600.0)
    started = []
    loop = asyncio.get_running_loop()

    def factory(loop, coroutine, **options):
        started.append(coroutine.__qualname__)
        return asyncio.Task(coroutine, loop=loop, **options)

    with client.started("GET", "/livez") as exchange:
        loop.set_task_factory(factory)
        try:
            answer = await receive(exchange)
        finally:
            loop.set_task_factory(None)
    assert answer.status == 200
    assert not [name for name in started if "replay" in name or "HeldRequestHandler" in name]


async def test_a_server_that_cancels_a_held_request_is_obeyed(nobody_answers, checkout):
    form = await checkout.filled_form("approve")
    with checkout.client.started("POST", checkout.path("pay/"), data=form) as exchange:
        await until_waiting(1)
        exchange.future.cancel()
        with pytest.raises(asyncio.CancelledError):
            await exchange.future
    assert get_broker().reply_queue.waiting == 0


async def test_a_host_that_is_not_ours_any_more_is_refused(shop, client, settings):
    settings.ALLOWED_HOSTS = ["shop.example"]
    for host, status in (("shop.example", 200), ("other.example", 400), ("shop.example", 200)):
        client.host = host
        assert (await client.get("/livez")).status == status
    settings.ALLOWED_HOSTS = ["other.example"]
    assert (await client.get("/livez")).status == 400
