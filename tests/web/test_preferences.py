"""RFC 7240's `Prefer: wait`, by which a client limits its wait, on `status.json` and `pay`."""

import asyncio
import json

import pytest
from channels.layers import get_channel_layer
from django.test import RequestFactory

from checkout.payments.models import Attempt, Payment
from checkout.web.preferences import Preferences
from messaging.channels import layer as channel_layer
from messaging.channels.layer import Traffic
from messaging.concurrency.database import in_thread
from messaging.memory.server import MemoryServer
from messaging.registry import get_broker
from tests.support.asgi import receive

BROKER = "memory://"  # the channel layer's broker, which may differ from the test's
JSON = {"accept": "application/json"}


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("", Preferences()),
        ("respond-async", Preferences(responds_async=True)),
        ("Respond-Async, wait=10", Preferences(responds_async=True, wait_seconds=10)),
        ("wait = 3 ; strictly, return=minimal", Preferences(wait_seconds=3)),
        ('wait="4"', Preferences(wait_seconds=4)),
        ("wait=1, wait=2", Preferences(wait_seconds=1)),
        ('x="a, wait=9", wait=2', Preferences(wait_seconds=2)),
        ("wait=0", Preferences(wait_seconds=0)),
        ("wait", Preferences()),
        ("wait=-1", Preferences()),
        ("wait=1.5", Preferences()),
        ("wait=²", Preferences()),
        ("wait=" + 5000 * "9", Preferences()),
        (',;="\\', Preferences()),
        ("respond-asynchronously", Preferences()),
    ],
)
def test_preferences_are_read_and_garbage_is_ignored(header, expected):
    assert Preferences.of(RequestFactory().get("/", headers={"Prefer": header})) == expected


@pytest.mark.parametrize(
    ("preferences", "budget"),
    [
        (Preferences(), 5),
        (Preferences(responds_async=True), 0),
        (Preferences(wait_seconds=3), 3),
        (Preferences(responds_async=True, wait_seconds=3), 3),
        (Preferences(wait_seconds=100), 8),
    ],
)
def test_nobody_waits_longer_than_they_or_we_want(preferences, budget):
    assert preferences.budget_seconds(most=8, otherwise=5) == budget


async def moved(reference, state):
    """Change the payment's state, and push the change."""
    await in_thread(lambda: Payment.objects.filter(reference=reference).update(state=state))
    event = {"type": "payment.changed", "payment": reference, "state": state}
    await get_channel_layer().group_send(f"payment.{reference}", event)


def listening(reference):
    """Return the channels on which a client waits for pushes."""
    channels = get_broker(BROKER).reply_queue.channels
    return channels.members.of(f"payment.{reference}") if isinstance(channels, Traffic) else ()


async def until_listening(reference):
    async with asyncio.timeout(20):
        while not listening(reference):  # noqa: ASYNC110  nobody announces it
            await asyncio.sleep(0.01)


@pytest.fixture
async def processing(shop, payment, settings):
    """Create a payment in processing, with a reply budget that is longer than any test."""
    settings.CHECKOUT_REPLY_BUDGET_SECONDS = 60
    await in_thread(lambda: Payment.objects.update(state="processing"))


async def test_a_poll_that_waits_is_answered_when_the_payment_is_decided(processing, checkout):
    path = checkout.path("status.json")
    with checkout.client.started("GET", path, headers={"prefer": "wait=60"}) as exchange:
        await until_listening(checkout.reference)
        await moved(checkout.reference, "confirming")
        await moved(checkout.reference, "captured")
        answer = await receive(exchange, 15)
    assert (answer.status, json.loads(answer.text)["state"]) == (200, "captured")
    assert answer.headers["preference-applied"] == "wait=60"
    assert "Prefer" in answer.headers["vary"]
    assert not listening(checkout.reference)


async def test_with_what_it_knows_a_client_waits_for_any_change(processing, checkout):
    known = (await checkout.get("status.json")).headers["etag"]
    headers = {"prefer": "wait=60", "if-none-match": known}
    with checkout.client.started("GET", checkout.path("status.json"), headers=headers) as exchange:
        await until_listening(checkout.reference)
        await moved(checkout.reference, "confirming")
        answer = await receive(exchange, 15)
    assert (answer.status, json.loads(answer.text)["state"]) == (202, "confirming")
    assert (await in_thread(Payment.objects.get)).is_watched, "or no saga would push a change"


async def test_a_poll_without_news_ends_with_the_budget(processing, checkout, settings):
    settings.CHECKOUT_REPLY_BUDGET_SECONDS = 0.05
    answer = await checkout.get("status.json", headers={"prefer": "wait=1000"})
    assert (answer.status, answer.headers["retry-after"]) == (202, "2")
    assert answer.headers["preference-applied"] == "wait=0", "what was heeded, not what was wished for"


async def test_a_lost_push_is_made_up_for_by_the_row(processing, checkout, settings):
    settings.CHECKOUT_REPLY_BUDGET_SECONDS = 0.3
    with checkout.client.started("GET", checkout.path("status.json"), headers={"prefer": "wait=9"}) as asking:
        await until_listening(checkout.reference)
        await in_thread(lambda: Payment.objects.update(state="captured"))
        assert (await receive(asking)).status == 200


async def test_a_poll_waits_without_a_broker_too(processing, checkout, settings):
    settings.CHECKOUT_REPLY_BUDGET_SECONDS = 0.05
    server = MemoryServer.at(BROKER)
    server.stop()
    assert (await checkout.get("status.json", headers={"prefer": "wait=9"})).status == 202
    server.resume()


async def test_a_poll_that_nobody_can_tell_of_changes_is_answered_with_what_is_known(
    processing, checkout, monkeypatch
):
    monkeypatch.setattr(channel_layer, "TIMEOUT_SECONDS", 0.05)
    server = MemoryServer.at(BROKER)
    server.stop()
    try:
        answer = await checkout.get("status.json", headers={"prefer": "wait=60"})
    finally:
        server.resume()
    assert (answer.status, json.loads(answer.text)["state"]) == (202, "processing")


async def test_without_a_preference_a_poll_does_not_wait(processing, checkout):
    answer = await checkout.get("status.json")
    assert answer.status == 202
    assert "preference-applied" not in answer.headers
    assert "Prefer" in answer.headers["vary"]


async def test_what_a_client_has_it_is_not_sent_again(processing, checkout):
    first = await checkout.get("status.json")
    etag = first.headers["etag"]
    assert etag.startswith('"')
    unchanged = await checkout.get("status.json", headers={"if-none-match": f'"other", {etag}'})
    assert (unchanged.status, unchanged.body) == (304, b"")
    assert (unchanged.headers["etag"], unchanged.headers["retry-after"]) == (etag, "2")
    assert "content-length" not in unchanged.headers, "it would be that of the 200 (RFC 9110, 8.6)"
    await in_thread(lambda: Payment.objects.update(state="captured"))
    changed = await checkout.get("status.json", headers={"if-none-match": etag})
    assert (changed.status, changed.headers["etag"] != etag) == (200, True)


async def test_a_payment_whose_client_prefers_not_to_wait_is_made_all_the_same(back_end, books, checkout):
    form = await checkout.filled_form("approve")
    answer = await checkout.client.post(checkout.path("pay/"), form, headers={"prefer": "respond-async"})
    assert answer.status == 202
    assert answer.headers["preference-applied"] == "respond-async"
    assert answer.headers["location"] == checkout.path("status.json")
    assert answer.headers["retry-after"]
    assert json.loads(answer.text)["state"] == "processing"
    end = await checkout.get("status.json", headers={"prefer": "wait=20"})
    assert (end.status, json.loads(end.text)["is_paid"]) == (200, True)
    assert [order.state for order in books.orders.values()] == ["authorised"]


async def test_a_client_may_wait_for_a_shorter_time(shop, checkout, settings):
    settings.CHECKOUT_REPLY_BUDGET_SECONDS = 20
    form = await checkout.filled_form("approve")
    answer = await checkout.client.post(checkout.path("pay/"), form, headers={"prefer": "wait=0"})
    assert (answer.status, answer.headers["location"]) == (303, checkout.path("status/"))
    assert answer.headers["preference-applied"] == "wait=0"


async def test_a_program_that_pays_is_answered_with_the_status_document(back_end, books, checkout):
    form = await checkout.filled_form("approve")
    answer = await checkout.client.post(checkout.path("pay/"), form, headers=JSON)
    assert (answer.status, json.loads(answer.text)["is_paid"]) == (200, True)
    assert {"Accept", "Prefer"} <= set(answer.headers["vary"].split(", "))
    assert await in_thread(Attempt.objects.count) == 1


async def test_a_program_that_gets_no_answer_in_time_is_told_where_to_ask(shop, checkout, settings):
    settings.CHECKOUT_REPLY_BUDGET_SECONDS = 0.05
    form = await checkout.filled_form("approve")
    answer = await checkout.client.post(checkout.path("pay/"), form, headers=JSON)
    assert (answer.status, answer.headers["location"]) == (202, checkout.path("status.json"))
    assert json.loads(answer.text)["next"] is None


async def test_a_browser_that_prefers_nothing_is_led_on_as_ever(back_end, books, checkout):
    answer = await checkout.pay("approve")
    assert (answer.status, answer.headers["location"]) == (303, checkout.path("result/"))
