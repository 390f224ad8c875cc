"""A sender that fails late does not undo the results of another sender."""

import asyncio

import pytest

from checkout.webhooks.models import Delivery
from checkout.webhooks.sending.claims import claim
from messaging.concurrency.database import in_thread
from tests.webhooks.conftest import attempts_of, fresh, make_due, pinged, registered
from tests.webhooks.endpoint import answer

pytestmark = pytest.mark.django_db(transaction=True)


def fails_late(shop):
    """Let the endpoint fail once the returned event is set."""
    going_on = asyncio.Event()

    async def wait_and_fail(exchange):
        await going_on.wait()
        await answer(500)(exchange)

    shop.behaviour["/"] = wait_and_fail
    return going_on


async def test_a_late_failure_does_not_undo_what_another_sender_has_done(shop, make_sender):
    going_on = fails_late(shop)
    (delivery,) = await pinged(await registered(shop.url()))
    late = make_sender(seconds=60)
    sending_late = asyncio.create_task(late.send_due())
    await shop.has_received(1)
    await make_due(delivery)
    shop.behaviour["/"] = answer(200)
    await make_sender().send_due()
    going_on.set()
    await sending_late
    delivery = await fresh(delivery)
    assert (delivery.state, delivery.tries) == (Delivery.State.DELIVERED, 1)
    assert [attempt.status for attempt in await attempts_of(delivery)] == [200, 500]


async def test_a_late_failure_does_not_count_while_another_sender_has_the_delivery(shop, make_sender):
    going_on = fails_late(shop)
    (delivery,) = await pinged(await registered(shop.url()))
    sending_late = asyncio.create_task(make_sender(seconds=60).send_due())
    await shop.has_received(1)
    await make_due(delivery)
    [job] = await in_thread(claim, 1, 1, 1, {}, {})
    going_on.set()
    await sending_late
    delivery = await fresh(delivery)
    assert (delivery.lease, delivery.tries) == (job.lease, 0)
    assert [attempt.status for attempt in await attempts_of(delivery)] == [500]
