"""Deliveries are due by the database's clock, whatever the clocks of the processes show."""

from datetime import datetime, timedelta

import pytest
import time_machine
from django.utils import timezone

from checkout.webhooks import actions, deliveries, schedule
from checkout.webhooks.models import Delivery
from messaging.concurrency.database import in_thread
from messaging.outbox.clock import server_time_now
from tests.webhooks.conftest import SHOP, fresh, pinged, registered
from tests.webhooks.endpoint import answer
from tests.webhooks.test_deliveries import event

pytestmark = [pytest.mark.postgresql, pytest.mark.django_db(transaction=True)]

URL = "https://shop.example/hook"
APART = pytest.mark.parametrize(
    "apart", [timedelta(minutes=5), timedelta(minutes=-5)], ids=["ahead", "behind"]
)
AT_MOST = timedelta(seconds=30)


def elsewhere(apart: timedelta) -> time_machine.travel:
    """Return the context of a process whose clock is ahead of the database's by so much."""
    return time_machine.travel(timezone.now() + apart)


async def seconds_until(at: datetime | None) -> float:
    assert at is not None
    return (at - await in_thread(server_time_now)).total_seconds()


@APART
async def test_the_pause_after_a_failure_is_as_long_as_the_schedule_says(shop, make_sender, apart):
    made = await registered(shop.url())
    (delivery,) = await pinged(made)
    shop.behaviour["/"] = answer(500)
    with elsewhere(apart):
        await make_sender().send_due()
    pause = await seconds_until((await fresh(delivery)).next_try_at)
    assert -AT_MOST.total_seconds() < pause <= schedule.PAUSES[0]


@APART
async def test_an_endpoint_rests_for_as_long_as_it_has_asked_for(shop, make_sender, apart):
    made = await registered(shop.url())
    await pinged(made)
    shop.behaviour["/"] = answer(503, Retry_After="100")
    with elsewhere(apart):
        await make_sender().send_due()
    pause = await seconds_until((await fresh(made.endpoint)).paused_until)
    assert 100 - AT_MOST.total_seconds() < pause <= 100


def test_what_is_owed_by_a_process_whose_clock_is_ahead_is_due_at_once():
    endpoint = actions.create_endpoint(SHOP, URL).endpoint
    known = event().reference
    with elsewhere(timedelta(minutes=5)):
        deliveries.owe([known])
        actions.ping(SHOP, endpoint.reference)
    assert due() == 2
    Delivery.objects.update(state=Delivery.State.DELIVERED, next_try_at=None)
    with elsewhere(timedelta(minutes=5)):
        for delivery in Delivery.objects.all():
            actions.resend(SHOP, delivery.reference)
    assert due() == 2


def due() -> int:
    return Delivery.objects.filter(next_try_at__lte=server_time_now()).count()
