"""No merchant takes all look-ups of names, or all places of a sender."""

import threading
from collections import Counter

import pytest

from checkout.webhooks import actions
from checkout.webhooks.models import WebhookEndpoint
from checkout.webhooks.sending import resolver
from messaging.concurrency.database import in_thread
from tests.webhooks.conftest import attempts_of, fresh, pinged, registered

pytestmark = pytest.mark.django_db(transaction=True)


async def test_names_that_are_not_answered_delay_no_other_merchant(make_sender, monkeypatch):
    """The names of two merchants get no answer, and that of a third does."""
    going_on = threading.Event()
    monkeypatch.setattr(resolver, "_addresses_of", lambda host: _hanging(host, going_on))
    slow_of = {}
    for merchant in ("one", "two"):
        for number in range(20):
            made = await in_thread(
                actions.create_endpoint, merchant, f"https://slow-{number}.{merchant}.example/"
            )
            slow_of[made.endpoint.pk] = await in_thread(actions.ping, merchant, made.endpoint.reference)
    innocent = await in_thread(actions.create_endpoint, "three", "https://fine.example/")
    delivery = await in_thread(actions.ping, "three", innocent.endpoint.reference)
    sender = make_sender(seconds=3, look_up=resolver.SystemLookUp(queue_seconds=0.2))
    try:
        await sender.send_due()
    finally:
        going_on.set()
    (attempt,) = await attempts_of(delivery)
    assert attempt.error == "address_refused", "its name was looked up"
    endpoints = await in_thread(lambda: list(WebhookEndpoint.objects.exclude(merchant="three")))
    for endpoint in endpoints:
        (attempt,) = await attempts_of(slow_of[endpoint.pk])
        assert endpoint.failures == int(attempt.error == "timed_out")
    failed = Counter(endpoint.merchant for endpoint in endpoints if endpoint.failures)
    assert failed == {"one": resolver.LOOK_UPS_PER_MERCHANT, "two": resolver.LOOK_UPS_PER_MERCHANT}


def _hanging(host, going_on):
    if host.startswith("slow"):
        going_on.wait(30)
    return ["10.0.0.1"]


async def test_a_merchant_with_many_endpoints_leaves_places_for_others(shop, make_sender):
    for number in range(4):
        made = await registered(shop.url(f"/{number}"))
        await pinged(made, 2)
    other = await in_thread(actions.create_endpoint, "other", shop.url("/other"))
    delivery = await in_thread(actions.ping, "other", other.endpoint.reference)
    sender = make_sender(concurrency=8, per_merchant=3)
    assert await sender.send_due() == 4
    assert (await fresh(delivery)).state == "delivered"
    assert await sender.send_due() == 3, "the places of the first three are free again"
