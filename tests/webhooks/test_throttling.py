"""Endpoints that ask for fewer webhooks while several are in flight to them."""

from datetime import timedelta

import pytest
from django.utils import timezone

from checkout.webhooks import schedule
from checkout.webhooks.models import WebhookEndpoint
from messaging.concurrency.database import in_thread
from tests.webhooks.conftest import fresh, make_due, pinged, registered
from tests.webhooks.endpoint import answer

pytestmark = pytest.mark.django_db(transaction=True)


async def test_webhooks_that_are_turned_away_together_pause_their_endpoint_once(shop, make_sender):
    made = await registered(shop.url())
    owed = await pinged(made, 10)
    shop.behaviour["/"] = answer(429)
    assert await make_sender().send_due() == 10
    assert await pause_of(made) <= schedule.FIRST_THROTTLE_SECONDS
    await make_due(*owed)
    assert await make_sender().send_due() == 10
    assert schedule.FIRST_THROTTLE_SECONDS < await pause_of(made) <= 2 * schedule.FIRST_THROTTLE_SECONDS


async def test_the_longest_of_the_pauses_that_are_asked_for_together_counts(shop, make_sender):
    made = await registered(shop.url())
    await pinged(made, 2)
    asked = iter(("100", "300"))

    async def turn_away(exchange):
        await answer(429, Retry_After=next(asked))(exchange)

    shop.behaviour["/"] = turn_away
    assert await make_sender().send_due() == 2
    assert 200 < await pause_of(made) <= 300


async def pause_of(made) -> float:
    paused_until = (await fresh(made.endpoint)).paused_until
    assert paused_until is not None
    return (paused_until - timezone.now()) / timedelta(seconds=1)


async def test_the_first_failure_counts_although_it_ends_in_a_pause_and_is_over_with_a_success(
    shop, make_sender
):
    """A success resets the failures, but not the pause that the endpoint has asked for."""
    made = await registered(shop.url())
    (delivery,) = await pinged(made)

    async def fail_in_a_pause(exchange):
        rows = WebhookEndpoint.objects.filter(pk=made.endpoint.pk)
        await in_thread(rows.update, paused_until=timezone.now() + timedelta(hours=1))
        await answer(500)(exchange)

    shop.behaviour["/"] = fail_in_a_pause
    await make_sender().send_due()
    assert (await fresh(made.endpoint)).failures == 1
    await make_due(delivery)
    shop.behaviour["/"] = answer(200)
    await make_sender().send_due()
    assert (await fresh(made.endpoint)).failing_since is None
