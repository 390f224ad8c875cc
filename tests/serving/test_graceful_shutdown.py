"""A process that is shutting down: waiting requests are answered, and new ones do not wait."""

import asyncio
import json
import time
from contextlib import ExitStack

import pytest
from asgiref.testing import ApplicationCommunicator

from checkout.conf import conf
from checkout.payments.models import Attempt, InboxMessage
from checkout.web import pending_publishes
from messaging.concurrency.database import in_thread
from messaging.memory.server import MemoryServer
from messaging.registry import get_broker
from payments_gateway.asgi import application
from payments_gateway.serving import body_limit as limits
from payments_gateway.serving.process.graceful_shutdown import GracefulShutdown, drain
from tests.serving.test_async_handler import nobody_answers, until_waiting
from tests.support.asgi import receive
from tests.web.test_preferences import processing, until_listening
from tests.web.test_push import socket_of

__all__ = ["nobody_answers", "processing", "socket_of"]


@pytest.fixture(autouse=True)
def _over_afterwards():
    yield
    drain.reset()


@pytest.fixture
def begin():
    """Return a function that begins the shutdown, as SIGTERM does."""

    def begin():
        with drain.ends(get_broker().reply_queue.stop_waiting):
            drain.begin()

    return begin


async def test_held_requests_are_led_to_the_status_page(nobody_answers, checkout, begin):
    form = await checkout.filled_form("approve")
    with ExitStack() as held:
        exchanges = [
            held.enter_context(checkout.client.started("POST", checkout.path("pay/"), data=form))
            for _ in range(3)
        ]
        await until_waiting(3)
        begin()
        answers = [await receive(exchange, 15) for exchange in exchanges]
    assert {(answer.status, answer.headers["location"]) for answer in answers} == {
        (303, checkout.path("status/"))
    }
    assert await in_thread(Attempt.objects.count) == 1


async def test_what_was_published_already_is_not_published_again(nobody_answers, checkout, begin):
    form = await checkout.filled_form("approve")
    with checkout.client.started("POST", checkout.path("pay/"), data=form) as exchange:
        await until_waiting(1)
        await pending_publishes.flush()
        published = get_broker().metrics()["published"]
        begin()
        await receive(exchange, 15)
        await pending_publishes.flush()
    assert get_broker().metrics()["published"] == published


async def test_a_poll_that_waits_is_answered_at_once(processing, checkout, begin):
    with checkout.client.started("GET", checkout.path("status.json"), headers={"prefer": "wait=60"}) as poll:
        await until_listening(checkout.reference)
        begin()
        assert (await receive(poll, 15)).status == 202
    assert (await checkout.get("status.json", headers={"prefer": "wait=60"})).status == 202


async def test_who_pays_now_is_not_kept_waiting_and_has_paid(back_end, books, checkout, begin):
    form = await checkout.filled_form("approve")
    begin()
    answer = await checkout.client.post(checkout.path("pay/"), form)
    assert (answer.status, answer.headers["location"]) == (303, checkout.path("status/"))
    await pending_publishes.flush()
    drain.reset()
    assert (await checkout.get("status.json", headers={"prefer": "wait=60"})).status == 200


async def test_a_websocket_is_closed_with_the_word_for_come_back_soon(shop, payment, socket_of, begin):
    socket = socket_of()
    await socket.connect()
    await socket.told()
    begin()
    assert await socket.next() == {"type": "websocket.close", "code": 1012}
    await socket.disconnect()


async def test_the_process_is_not_ready_any_more_and_lives(shop, client, begin):
    get_broker().open()
    assert (await client.get("/readyz")).status == 200
    begin()
    answer = await client.get("/readyz")
    assert (answer.status, json.loads(answer.text)["status"]) == (503, "ending")
    assert (await client.get("/livez")).status == 200


async def test_a_body_that_does_not_come_keeps_no_process_from_ending(shop, checkout, begin, monkeypatch):
    monkeypatch.setattr(limits, "LAST_SECONDS", 0.01)
    monkeypatch.setattr(application._application, "_read_seconds", 60)
    with checkout.client.started("POST", checkout.path("pay/"), data=b"x", whole=False) as exchange:
        await asyncio.sleep(0)
        begin()
        assert (await receive(exchange, 15)).status == 408


def test_a_drain_begins_once_and_only_those_who_still_wait_are_told():
    told = []
    drain = GracefulShutdown()
    with drain.ends(lambda: told.append("left")):
        pass
    with drain.ends(lambda: told.append("waits")):
        drain.begin()
        drain.begin()
    with drain.ends(lambda: told.append("came late")):
        pass
    assert told == ["waits", "came late"]


async def test_a_card_is_passed_on_before_the_connection_to_the_broker_is_closed(shop, books, checkout):
    life = ApplicationCommunicator(application, {"type": "lifespan"})
    await life.send_input({"type": "lifespan.startup"})
    assert (await life.receive_output(20))["type"] == "lifespan.startup.complete"
    form = await checkout.filled_form("approve")
    server = MemoryServer.at(conf.broker_url)
    server.stop()
    answer = await checkout.client.post(checkout.path("pay/"), form)
    assert answer.headers["location"] == checkout.path("status/")
    await life.send_input({"type": "lifespan.shutdown"})
    # Resume the broker after the rest of the shutdown, which does not wait for the broker.
    asyncio.get_running_loop().call_later(0.5, server.resume)
    assert (await life.receive_output(20))["type"] == "lifespan.shutdown.complete"
    handled = await in_thread(InboxMessage.objects.filter(type="checkout.submit_payment").count)
    assert handled + len(server.queues["checkout.commands.checkout"]) == 1
    assert not drain.has_begun


async def test_a_waiter_whose_time_is_up_at_this_moment_keeps_nobody_else_from_being_told(
    processing, checkout, settings, begin
):
    settings.CHECKOUT_REPLY_BUDGET_SECONDS = 0.2
    told = []
    with checkout.client.started("GET", checkout.path("status.json"), headers={"prefer": "wait=9"}) as poll:
        await until_listening(checkout.reference)
        with drain.ends(lambda: told.append("everybody else")):
            loop = asyncio.get_running_loop()
            loop.call_later(0.2, begin)
            # A blocked loop finds the poll's time-out and the shutdown due in the same iteration.
            loop.call_soon(time.sleep, 0.3)
            assert (await receive(poll, 15)).status == 202
    assert told == ["everybody else"]
