"""Deliveries are due by the database's clock, whatever the clocks of the processes show."""

from datetime import datetime, timedelta

import pytest
import time_machine
from django.utils import timezone
from standardwebhooks.webhooks import Webhook

from checkout.webhooks import actions, deliveries, keys, notices, schedule
from checkout.webhooks.models import Delivery, DeliveryAttempt, WebhookEndpoint
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
    """Return the context of a process whose clock is ahead of the database's by this time."""
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


@pytest.mark.parametrize("apart", [timedelta(minutes=10), timedelta(minutes=-10)], ids=["ahead", "behind"])
async def test_a_receiver_whose_clock_is_right_accepts_what_is_signed(shop, make_sender, apart):
    """The receiver refuses signatures more than five minutes off, and the endpoint would be disabled."""
    made = await registered(shop.url())
    (delivery,) = await pinged(made)
    with elsewhere(apart):
        await make_sender().send_due()
    (received,) = shop.received
    Webhook(made.secret).verify(received.body, received.headers)
    logged = await in_thread(DeliveryAttempt.objects.get, delivery=delivery)
    assert abs(await seconds_until(logged.at)) < AT_MOST.total_seconds()


def test_what_is_owed_by_a_process_whose_clock_is_ahead_is_due_at_once():
    endpoint = actions.create_endpoint(SHOP, URL).endpoint
    known = event().reference
    with elsewhere(timedelta(minutes=5)):
        deliveries.create_deliveries([known])
        actions.ping(SHOP, endpoint.reference)
    assert due() == 2
    Delivery.objects.update(state=Delivery.State.DELIVERED, next_try_at=None)
    with elsewhere(timedelta(minutes=5)):
        for delivery in Delivery.objects.all():
            actions.resend(SHOP, delivery.reference)
    assert due() == 2


def test_a_process_whose_clock_is_ahead_forgets_no_webhook_and_no_secret_and_disables_no_endpoint():
    endpoint = actions.create_endpoint(SHOP, URL, contact_email="dev@shop.example").endpoint
    actions.rotate_secret(SHOP, endpoint.reference)
    delivery = actions.ping(SHOP, endpoint.reference)
    now = timezone.now()
    DeliveryAttempt.objects.create(delivery=delivery, url=URL, status=500, at=now)
    Delivery.objects.update(tries=1, last_result="HTTP 500")
    WebhookEndpoint.objects.update(failures=1, failing_since=now, warned_at=now)
    with elsewhere(timedelta(days=3, hours=1)):
        DeliveryAttempt.objects.update(at=timezone.now())
        assert notices._disable_failing() == 0
    actions.disable(SHOP, endpoint.reference, "repairs")
    other = actions.create_endpoint(SHOP, URL).endpoint
    actions.ping(SHOP, other.reference)
    Delivery.objects.filter(endpoint=other).update(state="delivered", next_try_at=None, ended_at=now)
    with elsewhere(timedelta(days=40)):
        assert deliveries.delete_expired() == 0
        assert keys.tidy_secrets() == 0


def due() -> int:
    return Delivery.objects.filter(next_try_at__lte=server_time_now()).count()
