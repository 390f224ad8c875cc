"""A request for events that finds none may wait for the next event."""

import asyncio
import threading
from collections import Counter
from contextlib import ExitStack

import pytest

from checkout.api.access.held_requests import held_requests, under_way
from checkout.api.requests import held
from checkout.conf import conf
from checkout.payments.actions import payment_queries
from messaging.concurrency.database import in_thread
from tests.api.calling import ROOT, document, header, order

WAITING = "/events?types=payment.created"


async def test_an_empty_page_waits_until_there_is_an_event(api):
    waiting = asyncio.ensure_future(api.get(WAITING, prefer="wait=20"))
    await api.get("/events")  # the request that waits was sent before
    created = document(await api.post("/payments", order()))
    answer = await waiting
    assert header(answer, "Preference-Applied") == "wait=20"
    assert [event["payment"] for event in document(answer)["data"]] == [created["id"]]


async def test_without_an_event_the_page_is_empty_when_the_time_is_over(api):
    answer = await api.get(WAITING, prefer="wait=1")
    assert (answer.status, document(answer)["data"]) == (200, [])


async def test_a_page_with_events_does_not_wait(api):
    await api.post("/payments", order())
    async with asyncio.timeout(15):
        answer = await api.get(WAITING, prefer="wait=20")
    assert len(document(answer)["data"]) == 1


async def test_requests_that_wait_for_events_take_no_thread(api):
    await api.get(WAITING)
    before = threading.active_count()
    waiting = [asyncio.ensure_future(api.get(WAITING, prefer="wait=20")) for _ in range(50)]
    await in_thread(lambda: None)
    assert threading.active_count() <= before + conf.database_threads
    await api.post("/payments", order())
    assert {len(document(answer)["data"]) for answer in await asyncio.gather(*waiting)} == {1}


async def test_another_merchants_event_ends_no_wait(api, stranger):
    waiting = asyncio.ensure_future(api.get(WAITING, prefer="wait=2"))
    await stranger.post("/payments", order())
    assert document(await waiting)["data"] == []


@pytest.mark.parametrize("seconds", [20, 1], ids=["while it waits", "at the end of the wait"])
async def test_a_client_that_leaves_counts_until_its_last_query_ends(api, monkeypatch, settings, seconds):
    """A program that waits and leaves again and again could otherwise take all threads of the database."""
    settings.CHECKOUT_API_AT_ONCE_PER_KEY = 2
    begun, may_end, read = threading.Semaphore(0), threading.Event(), payment_queries.list_events
    monkeypatch.setattr(held, "LOOK_SECONDS", 0.5 if seconds > 1 else 30)
    queries = Counter[str]()

    def slow_later(*arguments, object_id, **more):
        queries[object_id] += 1
        if queries[object_id] > (1 if seconds > 1 else 2):
            begun.release()
            assert may_end.wait(20)
        return read(*arguments, object_id=object_id, **more)

    monkeypatch.setattr(payment_queries, "list_events", slow_later)
    headers = {"accept": "*/*", "authorization": f"Bearer {api.secret}", "prefer": f"wait={seconds}"}
    exchanges = []
    try:
        with ExitStack() as stack:
            for number in (1, 2):
                path = f"{ROOT}/events?object_id=pay_{number:032x}"
                exchange = stack.enter_context(api.client.started("GET", path, headers=headers))
                assert await asyncio.to_thread(begun.acquire, timeout=20)
                await exchange.send_input({"type": "http.disconnect"})
                exchanges.append(exchange.future)
            # The requests end only with their queries.
            await asyncio.wait(exchanges, timeout=0.5)
            refused = await api.get("/events")
            assert (refused.status, document(refused)["code"]) == (429, "too_many_requests")
            may_end.set()
            await asyncio.wait(exchanges, timeout=20)
    finally:
        may_end.set()
    async with asyncio.timeout(20):
        while under_way._counter.total:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    assert (await api.get("/events")).status == 200
    assert not held_requests._count
