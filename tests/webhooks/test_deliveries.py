"""Events become deliveries: by the broker's message, and without it by the sweep."""

import asyncio
import json
from datetime import timedelta

import pytest
import time_machine
from django.utils import timezone
from standardwebhooks.webhooks import Webhook

from checkout.conf.api import API_VERSION
from checkout.database.append_only import erasing_on_purpose
from checkout.money import Money
from checkout.payments.actions import create_payment
from checkout.payments.models import Event, InboxMessage, Merchant
from checkout.running.relay import run_relay
from checkout.webhooks import actions, deliveries
from checkout.webhooks.models import Delivery, DeliveryAttempt, SweepCursor, WebhookEndpoint
from checkout.webhooks.service import service
from messaging.concurrency.database import in_thread
from messaging.envelope import Envelope
from messaging.registry import close_brokers
from tests.messaging.conftest import at_work
from tests.support.brokers import MemoryLab, a_moment
from tests.support.services import until
from tests.webhooks.conftest import SHOP, fresh, pinged, registered
from tests.webhooks.endpoint import answer

pytestmark = pytest.mark.django_db
several_connections = pytest.mark.django_db(transaction=True)

URL = "https://shop.example/hook"


@pytest.fixture
async def lab(settings):
    lab = MemoryLab()
    settings.BROKER_URL, settings.MESSAGING_PREFIX = lab.url, lab.prefix
    yield lab
    await close_brokers()
    await lab.close()


def merchant(code=SHOP) -> Merchant:
    return Merchant.objects.get_or_create(code=code, defaults={"name": code.title()})[0]


def event(order="A-1", code=SHOP, age=timedelta()) -> Event:
    """Create a payment some time ago, which makes an event."""
    with time_machine.travel(timezone.now() - age, tick=False):
        payment = create_payment(
            merchant(code),
            order_reference=order,
            amount=Money(1250, "GBP"),
            lines=[],
            description="Tea",
            metadata={"cart": "7"},
        )
    return Event.objects.get(payment=payment)


def owed() -> set[tuple[str, str]]:
    return set(Delivery.objects.values_list("endpoint__reference", "event"))


def endpoint(code=SHOP, **options) -> WebhookEndpoint:
    return actions.create_endpoint(code, URL, **options).endpoint


def sweep_later() -> int:
    """Let the sweep see the events, let its time pass, and sweep."""
    assert deliveries.sweep() == 0
    SweepCursor.objects.update(seen_at=timezone.now() - deliveries.SWEEP_AFTER - timedelta(seconds=1))
    return deliveries.sweep()


def test_an_event_is_owed_once_to_each_endpoint_of_its_merchant_that_wants_it():
    every, only = endpoint(), endpoint(event_types=["payment.created"])
    endpoint(event_types=["payment.refunded"])
    endpoint("other")
    disabled = endpoint()
    actions.disable(SHOP, disabled.reference, "later")
    told = event()
    assert deliveries.create_deliveries([told.reference]) == 2
    assert deliveries.create_deliveries([told.reference]) == 0
    assert owed() == {(every.reference, told.reference), (only.reference, told.reference)}
    delivery = Delivery.objects.first()
    assert (delivery.event_type, delivery.payment) == ("payment.created", told.payment.reference)


def test_an_endpoint_is_not_told_of_what_happened_before_it_was_enabled():
    told = event()
    made = actions.create_endpoint(SHOP, URL).endpoint
    assert deliveries.create_deliveries([told.reference]) == 0
    actions.disable(SHOP, made.reference, "later")
    missed = event("A-2")
    actions.enable(SHOP, made.reference)
    assert deliveries.create_deliveries([told.reference, missed.reference]) == 0


def written_later(row: Event) -> Event:
    """Delete an event, as if its transaction had not ended. ``save`` commits it."""
    with erasing_on_purpose():
        Event.objects.filter(pk=row.pk).delete()
    return row


def test_an_endpoint_is_told_of_events_that_were_under_way_when_it_was_enabled_and_of_no_earlier_ones():
    made = endpoint()
    actions.disable(SHOP, made.reference, "later")
    under_way, missed = written_later(event("A-1")), event("A-2")
    actions.enable(SHOP, made.reference)
    under_way.save()
    deliveries.create_deliveries([under_way.reference, missed.reference])
    assert owed() == {(made.reference, under_way.reference)}


def test_an_endpoint_is_told_of_events_that_were_under_way_when_it_was_made():
    under_way, missed = written_later(event("A-1")), event("A-2")
    made = endpoint()
    under_way.save()
    assert sweep_later() == 2
    assert owed() == {(made.reference, under_way.reference)}
    assert missed.pk > under_way.pk


def test_an_event_that_was_under_way_is_owed_though_its_message_was_lost_and_the_endpoint_is_disabled():
    under_way = written_later(event("A-1"))
    event("A-2")
    made = endpoint()
    under_way.save()
    actions.disable(SHOP, made.reference, "later")
    assert owed() == {(made.reference, under_way.reference)}


def test_an_event_that_was_under_way_when_the_endpoint_was_disabled_is_not_owed_to_it():
    made = endpoint()
    under_way = written_later(event("A-1"))
    event("A-2")
    actions.disable(SHOP, made.reference, "later")
    under_way.save()
    deliveries.create_deliveries([under_way.reference])
    assert (made.reference, under_way.reference) not in owed()


@several_connections
async def test_an_event_that_was_under_way_when_the_endpoint_answered_410_is_not_owed_to_it(
    shop, make_sender
):
    shop.behaviour["/"] = answer(410)
    made = await registered(shop.url())
    under_way = await in_thread(lambda: written_later(event("A-1")))
    await in_thread(event, "A-2")
    await pinged(made)
    await make_sender().send_due()
    disabled = await fresh(made.endpoint)
    assert disabled.state == "disabled"
    assert under_way.pk in disabled.events_under_way
    await in_thread(under_way.save)
    await in_thread(deliveries.create_deliveries, [under_way.reference])
    assert (made.endpoint.reference, under_way.reference) not in await in_thread(owed)


def test_an_event_whose_message_was_lost_is_owed_though_the_endpoint_is_disabled_and_enabled_again():
    made = endpoint()
    lost = event("A-1")
    actions.disable(SHOP, made.reference, "later")
    actions.enable(SHOP, made.reference)
    assert owed() == {(made.reference, lost.reference)}


@pytest.mark.parametrize("wrong", [timedelta(days=1), timedelta(days=-1)])
def test_an_endpoint_is_told_of_an_event_though_the_clock_of_its_writer_is_wrong(wrong):
    endpoint()
    assert deliveries.create_deliveries([event("A-1", age=wrong).reference]) == 1
    event("A-2", age=wrong)
    assert sweep_later() == 2
    assert Delivery.objects.count() == 2


def test_an_event_from_before_a_disable_is_owed_though_its_message_comes_later():
    made = endpoint()
    before = event("A-1")
    actions.disable(SHOP, made.reference, "later")
    after = event("A-2")
    assert deliveries.has_endpoint(SHOP)
    deliveries.create_deliveries([before.reference, after.reference])
    assert owed() == {(made.reference, before.reference)}


def test_the_sweep_finds_an_event_whose_message_was_lost():
    made = endpoint()
    lost, known = event("A-1"), event("A-2")
    deliveries.create_deliveries([known.reference])
    assert sweep_later() == 2
    assert owed() == {(made.reference, lost.reference), (made.reference, known.reference)}
    assert deliveries.sweep() == 0


def test_the_sweep_waits_for_events_whose_message_may_be_under_way_and_passes_none_by():
    endpoint()
    first, second = event("A-1"), event("A-2")
    assert deliveries.sweep() == 0
    late = event("A-3")
    assert deliveries.sweep() == 0
    SweepCursor.objects.update(seen_at=timezone.now() - deliveries.SWEEP_AFTER - timedelta(seconds=1))
    assert deliveries.sweep() == 2
    assert {reference for _, reference in owed()} == {first.reference, second.reference}
    assert sweep_later() == 1
    assert late.reference in {reference for _, reference in owed()}


def test_events_since_a_time_are_sent_again_also_those_that_were_never_owed():
    made = endpoint(event_types=["payment.created"])
    early, missed, done = event("A-1", age=timedelta(hours=3)), event("A-2"), event("A-3")
    event("A-4", "other")
    deliveries.create_deliveries([done.reference, early.reference])
    Delivery.objects.update(state="delivered", tries=1, next_try_at=None, ended_at=timezone.now())
    assert actions.resend_since(SHOP, made.reference, timezone.now() - timedelta(hours=1)) == 2
    states = dict(Delivery.objects.values_list("event", "state"))
    assert states == {
        early.reference: "delivered",
        missed.reference: "pending",
        done.reference: "pending",
    }


def test_undelivered_events_of_a_merchant_are_listed():
    endpoint(), endpoint("other")
    told, done, other = event("A-1"), event("A-2"), event("A-3", "other")
    deliveries.create_deliveries([told.reference, done.reference, other.reference])
    Delivery.objects.filter(event=done.reference).update(state="delivered")
    assert list(actions.undelivered_events(SHOP)) == [told.reference]


def test_a_deleted_endpoint_stays_with_its_log_until_that_is_old(settings):
    settings.CHECKOUT_RETENTION_SECONDS = 86_400
    deleted, other = endpoint(), endpoint()
    deliveries.create_deliveries([event("A-1").reference])
    actions.delete_endpoint(SHOP, deleted.reference)
    assert deliveries.create_deliveries([event("A-2").reference]) == 1, "the other one is told"
    assert deliveries.delete_removed_endpoints() == 1
    assert dict(Delivery.objects.filter(endpoint=deleted).values_list("event_type", "state")) == {
        "payment.created": "failed"
    }
    assert not deliveries.delete_removed_endpoints()
    Delivery.objects.filter(endpoint=deleted).update(ended_at=timezone.now() - timedelta(days=2))
    assert deliveries.delete_expired() == 1
    assert deliveries.delete_removed_endpoints() == 1
    assert list(WebhookEndpoint.objects.all()) == [other]
    assert Delivery.objects.count() == 2


def test_deliveries_are_forgotten_some_time_after_their_end(settings):
    settings.CHECKOUT_RETENTION_SECONDS = 86_400
    endpoint()
    old, recent, pending = event("A-1"), event("A-2"), event("A-3")
    deliveries.create_deliveries([old.reference, recent.reference, pending.reference])
    now = timezone.now()
    ended = {old.reference: now - timedelta(days=2), recent.reference: now}
    for reference, at in ended.items():
        row = Delivery.objects.get(event=reference)
        DeliveryAttempt.objects.create(delivery=row, at=now, url=URL)
        Delivery.objects.filter(pk=row.pk).update(state="delivered", ended_at=at)
    assert deliveries.delete_expired() == 1
    assert set(Delivery.objects.values_list("event", flat=True)) == {recent.reference, pending.reference}
    assert DeliveryAttempt.objects.count() == 1


def test_what_waits_for_a_disabled_endpoint_is_forgotten_like_what_has_ended(settings):
    """The log has answers of the merchant's program, and the events themselves are deleted in the end."""
    settings.CHECKOUT_RETENTION_SECONDS = 86_400
    long, recently, enabled = endpoint(), endpoint(), endpoint()
    deliveries.create_deliveries([event().reference])
    for each in (long, recently):
        actions.disable(SHOP, each.reference, "moving house")
    WebhookEndpoint.objects.exclude(pk=recently.pk).update(state_since=timezone.now() - timedelta(days=2))
    assert deliveries.delete_expired() == 1
    assert set(Delivery.objects.values_list("endpoint", flat=True)) == {recently.pk, enabled.pk}


@several_connections
async def test_full_and_thin_payloads_arrive_as_the_public_objects(shop, make_sender):
    full = await registered(shop.url("/full"))
    thin = await registered(shop.url("/thin"), payload="thin")
    later = await registered(shop.url("/later"), api_version="2027-06-01")
    told = await in_thread(event)
    await in_thread(deliveries.create_deliveries, [told.reference])
    assert await make_sender().send_due() == 3
    bodies = {received.path: received for received in shop.received}
    whole = Webhook(full.secret).verify(bodies["/full"].body, bodies["/full"].headers)
    assert whole["id"] == bodies["/full"].headers["webhook-id"] == told.reference
    assert (whole["type"], whole["sequence"], whole["merchant"]) == ("payment.created", 1, SHOP)
    assert (whole["order_reference"], whole["data"]["metadata"]) == ("A-1", {"cart": "7"})
    assert whole["data"]["object"]["amounts"]["captured"] == 0
    assert "changes" in whole
    assert whole["api_version"] == API_VERSION
    other = Webhook(later.secret).verify(bodies["/later"].body, bodies["/later"].headers)
    assert other == {**whole, "api_version": "2027-06-01"}
    notice = Webhook(thin.secret).verify(bodies["/thin"].body, bodies["/thin"].headers)
    assert notice == {name: value for name, value in whole.items() if name not in ("data", "changes")}


@several_connections
async def test_an_event_that_is_gone_is_recorded_as_such(shop, make_sender):
    made = await registered(shop.url())
    row = await in_thread(
        Delivery.objects.create, endpoint=made.endpoint, event="evt_none", next_try_at=timezone.now()
    )
    await make_sender().send_due()
    assert shop.received == []
    attempt = await in_thread(row.attempts.get)
    assert attempt.error == "no_such_event"


@several_connections
async def test_the_broker_s_message_makes_the_delivery(lab):
    await in_thread(endpoint)
    broker = await lab.broker()
    stop = asyncio.Event()
    async with at_work(broker, service):
        told = await in_thread(event)
        relay = asyncio.create_task(run_relay(broker, stop))
        await until(Delivery.objects.exists)
        stop.set()
        await relay
    assert (await in_thread(Delivery.objects.get)).event == told.reference
    assert not await in_thread(InboxMessage.objects.filter(consumer="webhooks").exists)


@several_connections
async def test_an_event_that_a_program_has_made_up_tells_nobody_anything(lab):
    await in_thread(endpoint)
    broker = await lab.broker()
    forged = json.dumps({"merchant": SHOP, "type": "payment.captured"}).encode()
    async with at_work(broker, service):
        await broker.declare(*service.queues(broker.topology))
        for message_id in ("evt_forged", "payment-captured-1"):
            envelope = Envelope(type="payment.captured", body=forged, message_id=message_id)
            await broker.publish(broker.topology.events, "payment.captured", envelope, timeout_seconds=10)
        await a_moment(broker)
    assert not await in_thread(Delivery.objects.exists)


def test_a_sweep_of_more_than_a_batch_goes_on_with_the_rest(monkeypatch):
    monkeypatch.setattr(deliveries, "BATCH", 2)
    last = [event(f"A-{number}") for number in range(3)][-1]
    SweepCursor.objects.create(
        pk=1, event_pk=0, seen_pk=last.pk, seen_at=timezone.now() - deliveries.SWEEP_AFTER
    )
    assert [deliveries.sweep() for _ in range(3)] == [2, 1, 0]
