"""Deliveries of webhooks through the API: listed, read and sent again; events that are not delivered."""

from datetime import timedelta

import pytest
from django.utils import timezone

from checkout.payments.models import Event
from checkout.webhooks import actions, deliveries
from checkout.webhooks.models import Delivery, DeliveryAttempt
from messaging.concurrency.database import in_thread
from tests.api.calling import document, order


@pytest.fixture
async def told(api, shop):
    """Return an endpoint with deliveries of two payments' events. The first delivery has succeeded."""

    def make_endpoint():
        return actions.create_endpoint(shop.code, "https://shop.example/").endpoint

    endpoint = await in_thread(make_endpoint)
    for number in ("A-1", "A-2"):
        assert (await api.post("/payments", order(number))).status == 201

    def owe():
        deliveries.create_deliveries(Event.objects.values_list("reference", flat=True))
        done = Delivery.objects.order_by("pk")[0]
        Delivery.objects.filter(pk=done.pk).update(
            state="delivered", next_try_at=None, tries=1, last_result="200", ended_at=timezone.now()
        )
        DeliveryAttempt.objects.create(
            delivery=done, at=timezone.now(), url=endpoint.url, status=200, duration_ms=12, response="ok"
        )

    await in_thread(owe)
    return endpoint


def events_in(answer):
    return [each["event"] for each in document(answer)["data"]]


async def all_events():
    return await in_thread(lambda: list(Event.objects.order_by("-pk").values_list("reference", flat=True)))


async def test_deliveries_are_listed_by_endpoint_and_event(api, told):
    later, first = await all_events()
    path = f"/webhook-endpoints/{told.reference}/deliveries"
    assert events_in(await api.get(path)) == [later, first]
    page = await api.get(f"{path}?limit=1")
    assert events_in(page) == [later]
    cursor = document(page)["next_cursor"]
    assert events_in(await api.get(f"{path}?limit=1&cursor={cursor}")) == [first]
    assert events_in(await api.get(f"{path}?delivered=false")) == [later]
    assert events_in(await api.get(f"{path}?delivered=true")) == [first]
    assert events_in(await api.get(f"{path}?state=failed")) == []
    tomorrow = f"{timezone.now() + timedelta(days=1):%Y-%m-%dT%H:%M:%SZ}"
    assert events_in(await api.get(f"{path}?created_from={tomorrow}")) == []
    assert events_in(await api.get(f"{path}?created_to={tomorrow}")) == [later, first]
    assert events_in(await api.get(f"/events/{first}/deliveries")) == [first]
    for wrong in ("delivered=1", "state=lost", "cursor=x", "limit=0", "types=payment.created"):
        assert (await api.get(f"{path}?{wrong}")).status == 422


async def test_events_are_filtered_by_their_delivery(api, told):
    later, first = await all_events()

    async def ids(query):
        return [each["id"] for each in document(await api.get(f"/events?{query}"))["data"]]

    assert await ids("delivered=false") == [later]
    assert await ids("delivered=true") == [first]
    assert await ids("delivered=false&types=payment.captured") == []
    await in_thread(actions.delete_endpoint, told.merchant, told.reference)
    assert await ids("delivered=false") == [], "nobody is owed it any more"
    assert await ids("delivered=true") == []
    assert await ids("") == [later, first]


async def test_a_delivery_is_read_with_its_attempts(api, told):
    _, first = await all_events()
    [listed] = document(await api.get(f"/events/{first}/deliveries"))["data"]
    read = document(await api.get(f"/deliveries/{listed['id']}"))
    [attempt] = read.pop("attempts")
    assert read == listed
    assert (attempt["status"], attempt["error"], attempt["response"]) == (200, None, "ok")


async def test_the_delivery_of_a_test_event_is_listed_although_it_is_no_event_of_a_payment(
    api, stranger, told
):
    event = document(await api.post(f"/webhook-endpoints/{told.reference}/ping"))["event"]
    assert events_in(await api.get(f"/events/{event}/deliveries")) == [event]
    for caller, path in (
        (stranger, f"/events/{event}/deliveries"),
        (api, f"/events/evt_{'0' * 32}/deliveries"),
        (api, f"/events/{event}"),
    ):
        refused = await caller.get(path)
        assert (refused.status, document(refused)["code"]) == (404, "event_not_found")


async def test_one_is_sent_again(api, told):
    _, first = await all_events()
    [listed] = document(await api.get(f"/events/{first}/deliveries"))["data"]
    path = f"/deliveries/{listed['id']}/resend"
    again = document(await api.call("POST", path))
    assert (again["event"], again["state"], again["tries"]) == (first, "pending", 0)
    await in_thread(actions.disable, told.merchant, told.reference, "")
    refused = await api.call("POST", path)
    assert (refused.status, document(refused)["code"]) == (409, "endpoint_disabled")


async def test_all_since_a_time_are_sent_again_in_parts(api, told, monkeypatch):
    path = f"/webhook-endpoints/{told.reference}/resend"
    since = f"{timezone.now() - timedelta(hours=1):%Y-%m-%dT%H:%M:%SZ}"
    await in_thread(Delivery.objects.all().delete)
    done = document(await api.call("POST", path, {"since": since}))
    assert (done["events"], done["has_more"], done["next_cursor"]) == (2, False, None)
    assert await in_thread(Delivery.objects.filter(state="pending").count) == 2
    monkeypatch.setattr(actions, "BATCH", 1)
    monkeypatch.setattr(actions, "BATCHES_AT_ONCE", 1)
    cursor, events = "", 0
    while cursor is not None:
        part = document(await api.call("POST", path, {"since": since, "cursor": cursor}))
        events, cursor = events + part["events"], part["next_cursor"]
        assert part["has_more"] == (cursor is not None)
    assert events == 2
    for wrong, pointer in (
        ({"since": "2020-01-01T00:00:00Z"}, "/since"),
        ({"since": since, "cursor": "x"}, "/cursor"),
        ({}, "/since"),
    ):
        refused = document(await api.call("POST", path, wrong))
        assert refused["errors"][0]["pointer"] == pointer
