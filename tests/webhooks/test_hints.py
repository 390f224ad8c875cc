"""Messages about events are hints: they cost nothing without an endpoint, and are not believed."""

import asyncio
import json
from uuid import uuid4

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from checkout.payments.events.log import unpublished_events
from checkout.running.relay import run_relay
from checkout.running.webhooks import run_webhooks
from checkout.webhooks.models import Delivery
from checkout.webhooks.service import EndpointCache, EventNotice, service
from messaging.concurrency.database import in_thread
from messaging.envelope import Envelope
from messaging.registry import close_brokers, make_broker
from tests.messaging.conftest import at_work
from tests.support.broker_users import make_memory_users, url_of
from tests.support.services import until
from tests.webhooks.conftest import SHOP
from tests.webhooks.test_deliveries import endpoint, event, lab, owed, several_connections

__all__ = ["lab"]
pytestmark = pytest.mark.django_db

OF_SHOP = EventNotice(merchant=SHOP)


def read() -> EndpointCache:
    cache = EndpointCache()
    cache.refresh()
    return cache


def test_nothing_is_ignored_before_the_endpoints_were_read():
    assert not EndpointCache().ignores(OF_SHOP)


def test_events_of_merchants_without_endpoints_are_ignored():
    endpoint("other")
    cache = read()
    assert cache.ignores(OF_SHOP)
    assert not cache.ignores(EventNotice(merchant="other"))


def test_the_endpoints_are_read_again_only_after_an_event_was_ignored():
    cache = read()
    with CaptureQueriesContext(connection) as queries:
        cache.refresh()
    assert len(queries) == 0
    for _ in range(3):
        cache.ignores(OF_SHOP)
    with CaptureQueriesContext(connection) as queries:
        cache.refresh()
        cache.refresh()
    assert len(queries) == 1


def test_what_was_ignored_of_a_merchant_with_a_new_endpoint_is_owed_and_nothing_from_before():
    cache = read()
    event("A-1")
    made = endpoint()
    told = event("A-2")
    assert cache.ignores(OF_SHOP)
    assert cache.refresh() == 1
    assert owed() == {(made.reference, told.reference)}
    assert not cache.ignores(OF_SHOP)


def test_an_endpoint_that_was_committed_after_a_newer_one_is_found():
    made, newer = endpoint(), endpoint("other")
    type(made).objects.filter(pk=made.pk).update(merchant="elsewhere")
    cache = read()
    type(made).objects.filter(pk=made.pk).update(merchant=SHOP)
    told = event()
    assert cache.ignores(OF_SHOP)
    cache.refresh()
    assert owed() == {(made.reference, told.reference)}
    assert made.pk < newer.pk


def test_a_failed_reading_is_repeated(monkeypatch):
    cache = read()
    endpoint(), event()
    assert cache.ignores(OF_SHOP)

    def refuse(execute, sql, params, many, context):
        raise OSError("no database")

    with connection.execute_wrapper(refuse), pytest.raises(OSError, match="no database"):
        cache.refresh()
    assert cache.refresh() == 1


@several_connections
async def test_the_first_events_after_a_merchants_first_endpoint_are_delivered(lab):
    broker = await lab.broker()
    stop = asyncio.Event()
    running = [asyncio.create_task(work(broker, stop)) for work in (run_webhooks, run_relay)]
    await in_thread(event, "A-1")
    await until(lambda: not unpublished_events())
    made = await in_thread(endpoint)
    told = await in_thread(event, "A-2")
    await until(Delivery.objects.exists)
    stop.set()
    await asyncio.gather(*running)
    assert await in_thread(owed) == {(made.reference, told.reference)}


@several_connections
async def test_an_event_from_the_relay_needs_no_outbox_and_an_untrue_one_tells_nobody_anything(settings):
    url = f"memory://{uuid4().hex}"
    make_memory_users(url)
    settings.MESSAGING_SINGLE_BROKER_USER = False
    settings.BROKER_URL = url_of("web", url)
    await in_thread(endpoint)
    told = await in_thread(event)
    relay, own = (make_broker(url_of(name, url), "checkout") for name in ("relay", "webhooks"))
    for broker in (relay, own):
        broker.open()
        await broker.wait_connected()
    async with at_work(own, service):
        await own.declare(*service.queues(own.topology))
        for message_id in ("evt_untrue", told.reference):
            body = json.dumps({"merchant": SHOP, "type": "payment.captured"}).encode()
            envelope = Envelope(type="payment.captured", body=body, message_id=message_id)
            await relay.publish(
                relay.topology.events, f"payment.captured.{SHOP}", envelope, timeout_seconds=10
            )
        await until(Delivery.objects.exists)
    for broker in (relay, own):
        await broker.close()
    await close_brokers()
    assert (await in_thread(Delivery.objects.get)).event_type == "payment.created"
    assert own.reply_queue.not_entitled == 0
