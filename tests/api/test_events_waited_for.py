"""A request for events that finds none may wait for the next one."""

import asyncio
import threading

from checkout.conf import conf
from messaging.concurrency.database import in_thread
from tests.api.calling import document, header, order

WAITING = "/events?types=payment.created"


async def test_an_empty_page_waits_until_there_is_an_event(api):
    waiting = asyncio.ensure_future(api.get(WAITING, prefer="wait=20"))
    await api.get("/events")  # the one that waits was sent before
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
