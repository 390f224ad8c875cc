"""Webhooks that the gateway cannot send for its own reasons stay pending, and use up no attempt."""

from datetime import timedelta

import pytest
from django.utils import timezone
from standardwebhooks.webhooks import Webhook

from checkout.webhooks import actions
from checkout.webhooks.models import Delivery, SigningSecret
from checkout.webhooks.schedule import MOST_TRIES, own_pause
from checkout.webhooks.sending.resolver import LookUpNotBegun
from messaging.concurrency.database import in_thread
from tests.webhooks.conftest import SHOP, attempts_of, fresh, make_due, pinged, registered

pytestmark = pytest.mark.django_db(transaction=True)


async def not_begun(_host):
    raise LookUpNotBegun("Too many name look-ups are under way.")


@pytest.mark.parametrize("problem", ["secret_unreadable", "no_secret", "look_up_not_begun"])
async def test_a_problem_of_the_gateway_uses_up_no_attempt_and_is_logged_once(
    shop, make_sender, settings, problem
):
    made = await registered("https://shop.example/")
    (delivery,) = await pinged(made)
    if problem == "secret_unreadable":
        settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "another key", []
    elif problem == "no_secret":
        await in_thread(SigningSecret.objects.all().delete)
    sender = make_sender(look_up=not_begun)
    for _ in range(MOST_TRIES):
        assert await sender.send_due() == 1
        delivery = await fresh(delivery)
        assert (delivery.state, delivery.tries) == (Delivery.State.PENDING, 0)
        assert timedelta(0) < delivery.next_try_at - timezone.now() <= timedelta(minutes=1)
        await make_due(delivery)
    assert [each.error for each in await attempts_of(delivery)] == [problem]
    assert (await fresh(made.endpoint)).failures == 0


async def test_it_is_sent_when_the_problem_is_over(shop, make_sender, settings):
    (delivery,) = await pinged(await registered(shop.url()))
    with_key, settings.SECRET_KEY = settings.SECRET_KEY, "another key"
    await make_sender().send_due()
    settings.SECRET_KEY = with_key
    await make_due(delivery)
    await make_sender().send_due()
    delivery = await fresh(delivery)
    assert (delivery.state, delivery.tries) == (Delivery.State.DELIVERED, 1)
    assert [each.status for each in await attempts_of(delivery)] == [None, 200]


async def test_an_event_that_is_gone_is_given_up_in_the_end(shop, make_sender):
    """No attempt could ever find it."""
    (delivery,) = await pinged(await registered(shop.url()))
    await in_thread(Delivery.objects.filter(pk=delivery.pk).update, content=None)
    for _ in range(MOST_TRIES):
        await make_sender().send_due()
        await make_due(delivery)
    assert (await fresh(delivery)).state == Delivery.State.FAILED


def test_an_old_delivery_is_looked_at_less_often():
    assert 27 <= own_pause(0) <= 30
    assert 810 <= own_pause(24 * 3600) <= 900


async def test_a_new_secret_signs_alone_if_the_old_one_cannot_be_read(shop, make_sender, settings):
    """With both secrets, nothing would be sent until the overlap is over."""
    made = await registered(shop.url())
    (delivery,) = await pinged(made)
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "another key", []
    new = await in_thread(actions.rotate_secret, SHOP, made.endpoint.reference)
    await make_sender().send_due()
    (received,) = shop.received
    assert Webhook(new.secret).verify(received.body, received.headers) == delivery.content
