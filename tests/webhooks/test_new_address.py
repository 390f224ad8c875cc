"""An endpoint with a new address is not punished for the old one."""

import asyncio
from datetime import timedelta

import pytest
from django.utils import timezone

from checkout.errors import RequestInvalid
from checkout.webhooks import actions, notices
from checkout.webhooks.models import Delivery, DeliveryAttempt, WebhookEndpoint
from messaging.concurrency.database import in_thread
from tests.webhooks.conftest import SHOP, fresh, pinged, registered
from tests.webhooks.endpoint import answer

pytestmark = pytest.mark.django_db(transaction=True)

State = WebhookEndpoint.State


async def changed(made, **values):
    """Change the endpoint as its merchant does, and return its row."""
    await in_thread(lambda: actions.change_endpoint(SHOP, made.endpoint.reference, **values))
    return await fresh(made.endpoint)


async def all_due():
    """Let the time until the next attempts pass, but not the pause of an endpoint."""
    await in_thread(lambda: Delivery.objects.filter(state="pending").update(next_try_at=timezone.now()))


async def test_the_pause_that_the_old_address_asked_for_ends(shop, make_sender):
    shop.behaviour["/old"] = answer(503, Retry_After="21600")
    made = await registered(shop.url("/old"))
    (delivery,) = await pinged(made)
    await make_sender().send_due()
    await all_due()
    assert await make_sender().send_due() == 0, "it asked for a pause"
    endpoint = await changed(made, url=shop.url("/new"))
    assert (endpoint.failures, endpoint.failing_since, endpoint.paused_until) == (0, None, None)
    assert await make_sender().send_due() == 1
    assert (await fresh(delivery)).state == Delivery.State.DELIVERED


async def test_a_change_of_anything_else_ends_no_pause(shop, make_sender):
    shop.behaviour["/old"] = answer(503, Retry_After="21600")
    made = await registered(shop.url("/old"))
    await pinged(made)
    await make_sender().send_due()
    endpoint = await changed(made, url=shop.url("/old"), description="The same address")
    assert endpoint.paused_until is not None
    assert endpoint.failures == 1


async def test_a_new_address_wakes_the_sender(shop, make_sender):
    shop.behaviour["/old"] = answer(503, Retry_After="21600")
    made = await registered(shop.url("/old"))
    await pinged(made)
    await make_sender().send_due()
    await all_due()
    stop = asyncio.Event()
    running = asyncio.create_task(make_sender(poll_seconds=3600).run(stop))
    await changed(made, url=shop.url("/new"))
    await shop.has_received(2)
    stop.set()
    await running


async def test_an_endpoint_is_not_disabled_before_its_new_address_was_tried(shop):
    made = await registered(shop.url("/old"))
    long_ago = timezone.now() - timedelta(hours=73)
    (delivery,) = await pinged(made)
    await in_thread(lambda: Delivery.objects.update(tries=9, last_result="HTTP 500"))
    attempt = DeliveryAttempt(delivery=delivery, url=made.endpoint.url, status=500, at=timezone.now())
    await in_thread(attempt.save)
    failing = WebhookEndpoint.objects.filter(pk=made.endpoint.pk)
    await in_thread(lambda: failing.update(failures=50, failing_since=long_ago, warned_at=long_ago))
    await changed(made, url=shop.url("/new"))
    assert await notices.look_after_endpoints() == 0
    assert (await fresh(made.endpoint)).state == State.ENABLED


async def test_a_disabled_endpoint_keeps_the_notice_that_it_is_owed(shop):
    made = await registered(shop.url("/old"))
    disabled = WebhookEndpoint.objects.filter(pk=made.endpoint.pk)
    await in_thread(lambda: disabled.update(state=State.DISABLED, owed_notice="disabled"))
    assert (await changed(made, url=shop.url("/new"))).owed_notice == "disabled"


@pytest.mark.parametrize("status", [410, 500])
async def test_an_attempt_under_way_to_the_old_address_counts_for_nothing_if_it_fails(
    shop, make_sender, status
):
    going_on = asyncio.Event()

    async def fail_later(exchange):
        await going_on.wait()
        await answer(status)(exchange)

    shop.behaviour["/old"] = fail_later
    made = await registered(shop.url("/old"))
    (delivery,) = await pinged(made)
    sending = asyncio.create_task(make_sender().send_due())
    await shop.has_received(1)
    await changed(made, url=shop.url("/new"))
    going_on.set()
    await sending
    endpoint, delivery = await fresh(made.endpoint), await fresh(delivery)
    assert (endpoint.state, endpoint.failures) == (State.ENABLED, 0)
    assert (delivery.state, delivery.tries) == (Delivery.State.PENDING, 0)
    assert await make_sender().send_due() == 1
    assert (await fresh(delivery)).state == Delivery.State.DELIVERED


async def test_a_fault_in_another_field_changes_no_address(shop):
    made = await registered(shop.url("/old"))
    with pytest.raises(RequestInvalid):
        await changed(made, url=shop.url("/new"), payload="wrong")
    assert (await fresh(made.endpoint)).url == shop.url("/old")
