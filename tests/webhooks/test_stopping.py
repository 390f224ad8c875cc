"""A sender that is told to stop while it records endpoints' answers."""

import asyncio
import threading
from collections.abc import Sequence

import pytest

from checkout.webhooks.sending import sender as sending
from checkout.webhooks.sending.recording import Outcome, record
from messaging.concurrency.database import in_thread
from tests.support.brokers import within
from tests.webhooks.conftest import attempts_of, fresh, pinged, registered
from tests.webhooks.endpoint import answer

pytestmark = pytest.mark.django_db(transaction=True)


async def test_an_attempt_that_is_being_recorded_when_the_sender_stops_is_recorded_once(
    shop, make_sender, monkeypatch: pytest.MonkeyPatch
):
    made = await registered(shop.url())
    (delivery,) = await pinged(made)
    shop.behaviour["/"] = answer(500)
    has_begun, may_go_on = threading.Event(), threading.Event()

    def record_slowly(outcomes: Sequence[Outcome]) -> None:
        has_begun.set()
        assert may_go_on.wait(20)
        record(outcomes)

    monkeypatch.setattr(sending, "record", record_slowly)
    stop, sender = asyncio.Event(), make_sender()
    running = asyncio.create_task(sender.run(stop))
    await in_thread(has_begun.wait, 20)
    stop.set()
    async with asyncio.timeout(20):
        while not sender._is_ending:  # noqa: ASYNC110  nobody announces it
            await asyncio.sleep(0.01)
    may_go_on.set()
    await within(running)
    assert len(await attempts_of(delivery)) == 1
    assert (await fresh(made.endpoint)).failures == 1
