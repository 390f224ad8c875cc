"""An endpoint that is enabled gets pending webhooks at once, whenever their next attempts would be."""

from datetime import timedelta

import pytest
from django.utils import timezone

from checkout.webhooks import actions
from checkout.webhooks.models import Delivery, WebhookEndpoint
from messaging.concurrency.database import in_thread
from tests.webhooks.conftest import SHOP, fresh, pinged, registered
from tests.webhooks.endpoint import answer

pytestmark = pytest.mark.django_db(transaction=True)


async def waiting(made, **fields) -> Delivery:
    """Create a delivery that has failed eight times, and whose next attempt is in fourteen hours."""
    (delivery,) = await pinged(made)
    later = timezone.now() + timedelta(hours=14)
    values = {"tries": 8, "last_result": "HTTP 500", "next_try_at": later, **fields}
    await in_thread(lambda: Delivery.objects.filter(pk=delivery.pk).update(**values))
    return delivery


async def test_what_is_to_be_tried_again_much_later_is_sent_when_the_endpoint_is_enabled(shop, make_sender):
    made = await registered(shop.url())
    delivery = await waiting(made)
    await in_thread(actions.disable, SHOP, made.endpoint.reference, "repairs")
    await in_thread(actions.enable, SHOP, made.endpoint.reference)
    assert await make_sender().send_due() == 1
    delivery = await fresh(delivery)
    assert (delivery.state, delivery.tries) == (Delivery.State.DELIVERED, 9)


async def test_a_paused_endpoint_is_tried_at_once_when_it_is_enabled(shop, make_sender):
    made = await registered(shop.url())
    await waiting(made)
    pause = {"failures": 12, "paused_until": timezone.now() + timedelta(minutes=15)}
    await in_thread(lambda: WebhookEndpoint.objects.filter(pk=made.endpoint.pk).update(**pause))
    assert await make_sender().send_due() == 0
    await in_thread(actions.enable, SHOP, made.endpoint.reference)
    assert await make_sender().send_due() == 1
    assert (await fresh(made.endpoint)).failures == 0


async def test_what_waits_is_sent_by_enabling_an_endpoint_whose_pause_a_test_event_has_ended(
    shop, make_sender
):
    made = await registered(shop.url())
    delivery = await waiting(made)
    pause = {"failures": 12, "paused_until": timezone.now() + timedelta(minutes=15)}
    await in_thread(lambda: WebhookEndpoint.objects.filter(pk=made.endpoint.pk).update(**pause))
    await pinged(made)
    assert await make_sender().send_due() == 1, "the test event only"
    await in_thread(actions.enable, SHOP, made.endpoint.reference)
    assert await make_sender().send_due() == 1
    assert (await fresh(delivery)).state == Delivery.State.DELIVERED


async def test_what_waits_is_sent_to_a_new_address_at_once(shop, make_sender):
    made = await registered(shop.url("/old"))
    delivery = await waiting(made)
    change = {"url": shop.url("/new")}
    await in_thread(lambda: actions.change_endpoint(SHOP, made.endpoint.reference, **change))
    assert await make_sender().send_due() == 1
    assert (await fresh(delivery)).state == Delivery.State.DELIVERED
    await waiting(made)
    await in_thread(lambda: actions.change_endpoint(SHOP, made.endpoint.reference, **change))
    assert await make_sender().send_due() == 0, "the address is the same"


async def test_what_is_under_way_when_the_endpoint_is_enabled_is_not_sent_twice(shop, make_sender):
    made = await registered(shop.url())
    await waiting(made, lease="of another sender", next_try_at=timezone.now() + timedelta(seconds=50))
    await in_thread(actions.disable, SHOP, made.endpoint.reference, "repairs")
    await in_thread(actions.enable, SHOP, made.endpoint.reference)
    assert await make_sender().send_due() == 0


async def test_the_event_that_was_answered_with_410_is_sent_when_the_endpoint_is_enabled(shop, make_sender):
    """No event is lost, for example by the answer of a broken proxy."""
    shop.behaviour["/"] = answer(410)
    made = await registered(shop.url())
    (delivery,) = await pinged(made)
    await make_sender().send_due()
    assert (await fresh(made.endpoint)).state == WebhookEndpoint.State.DISABLED
    shop.behaviour["/"] = answer(200)
    await in_thread(actions.enable, SHOP, made.endpoint.reference)
    assert await make_sender().send_due() == 1
    assert (await fresh(delivery)).state == Delivery.State.DELIVERED
