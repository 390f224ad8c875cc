"""Webhook endpoints through the API."""

from datetime import timedelta

import pytest
from django.utils import timezone

from checkout.api.access.keys import make_key
from checkout.api.models import IdempotencyRecord
from checkout.payments.event_feed import EVENT_TYPES
from checkout.webhooks import actions, keys
from checkout.webhooks.delivery_queries import SHOWN_AGAIN_FOR
from checkout.webhooks.models import Delivery, SigningSecret, WebhookEndpoint
from messaging.concurrency.database import in_thread
from tests.api.calling import Caller, document, header

ENDPOINTS = "/webhook-endpoints"
WANTED = {"url": "https://shop.example/hooks", "event_types": ["payment.captured"]}


@pytest.fixture
async def made(api):
    answer = await api.post(ENDPOINTS, WANTED, idempotency_key="first")
    assert answer.status == 201, answer.text
    return document(answer)


async def signing_secrets(made):
    def read():
        endpoint = WebhookEndpoint.objects.get(reference=made["id"])
        return [each.secret for each in keys.keys_of([endpoint])[endpoint.pk]]

    return await in_thread(read)


async def test_it_is_made_with_a_secret_that_only_this_answer_has(api, made):
    assert made["secret"].startswith("whsec_")
    assert [each[:5] for each in made["public_keys"]] == ["whpk_"]
    assert made["state"] == "enabled"
    assert (made["payload"], made["event_types"]) == ("full", ["payment.captured"])
    read = document(await api.get(f"{ENDPOINTS}/{made['id']}"))
    secret = made.pop("secret")
    assert read == made
    [listed] = document(await api.get(ENDPOINTS))["data"]
    assert listed == made
    stored = await in_thread(lambda: str(list(IdempotencyRecord.objects.values())))
    assert made["id"] in stored
    assert secret not in stored


async def test_a_lost_answer_is_repeated_with_its_secret_for_a_time(api, made):
    again = await api.post(ENDPOINTS, WANTED, idempotency_key="first")
    assert (again.status, header(again, "Idempotent-Replayed")) == (201, "true")
    assert header(again, "Location") == f"/api/v1{ENDPOINTS}/{made['id']}"
    assert document(again) == made
    assert await in_thread(WebhookEndpoint.objects.count) == 1

    def pass_time():
        record = IdempotencyRecord.objects.get()
        record.created_at -= SHOWN_AGAIN_FOR
        record.save()

    await in_thread(pass_time)
    late = document(await api.post(ENDPOINTS, WANTED, idempotency_key="first"))
    assert late == {**made, "secret": None}


async def test_the_fields_that_are_given_are_changed(api, made):
    path = f"{ENDPOINTS}/{made['id']}"
    changes = {"url": "https://shop.example/new", "event_types": [], "payload": "thin", "description": "new"}
    changed = document(await api.call("PATCH", path, changes))
    assert changed == {**{key: value for key, value in made.items() if key != "secret"}, **changes}
    assert document(await api.call("PATCH", path, {})) == changed
    for wrong, pointer in (
        ({"url": "https://10.0.0.1/"}, "/url"),
        ({"url": None}, "/url"),
        ({"payload": "fat"}, "/payload"),
        ({"event_types": ["payment.stolen"]}, "/event_types/0"),
        ({"event_types": "payment.captured"}, "/event_types"),
        ({"state": "disabled"}, "/state"),
        ({"contact_email": "nobody"}, "/contact_email"),
    ):
        refused = await api.call("PATCH", path, wrong)
        assert refused.status == 422
        assert document(refused)["errors"][0]["pointer"] == pointer
    assert document(await api.get(path)) == changed


async def test_what_cannot_be_an_endpoint_is_not_made(api):
    for wrong in (
        {},
        {"url": "ftp://shop.example/"},
        {"url": "https://10.0.0.1/"},
        {**WANTED, "secret": "x"},
    ):
        assert (await api.post(ENDPOINTS, wrong)).status == 422
    missing = await api.post(ENDPOINTS, WANTED, idempotency_key="")
    assert document(missing)["code"] == "idempotency_key_missing"
    assert not await in_thread(WebhookEndpoint.objects.count)


async def test_it_is_disabled_with_a_reason_and_enabled_again(api, made):
    path = f"{ENDPOINTS}/{made['id']}"
    disabled = document(await api.call("POST", f"{path}/disable", {"reason": "we are moving"}))
    assert disabled["state"] == "disabled"
    assert disabled["disabled"]["reason"] == "we are moving"
    again = document(await api.call("POST", f"{path}/disable"))
    assert again["disabled"] == disabled["disabled"], "the first reason stays"
    refused = await api.post(f"{path}/ping")
    assert (refused.status, document(refused)["code"]) == (409, "endpoint_disabled")
    enabled = document(await api.call("POST", f"{path}/enable"))
    assert (enabled["state"], enabled["disabled"]) == ("enabled", None)


async def test_the_gateways_own_reasons_are_told(api, made):
    def fail():
        WebhookEndpoint.objects.update(failures=3, state="disabled", state_reason="it answered 410 Gone")

    await in_thread(fail)
    read = document(await api.get(f"{ENDPOINTS}/{made['id']}"))
    assert read["disabled"]["reason"] == "it answered 410 Gone"
    assert read["failing"]["failures"] == 3


async def test_a_new_secret_signs_beside_the_old_one(api, made):
    path = f"{ENDPOINTS}/{made['id']}/rotate-secret"
    rotated = await api.post(path, idempotency_key="r")
    new = document(rotated)
    assert rotated.status == 201
    assert new["secret"] not in ("", made["secret"])
    assert new["public_keys"][1:] == made["public_keys"]
    assert await signing_secrets(made) == [new["secret"], made["secret"]]
    assert document(await api.post(path, idempotency_key="r")) == new
    assert await in_thread(SigningSecret.objects.count) == 2


async def test_a_new_secret_is_shown_although_the_host_that_made_the_old_one_has_a_fast_clock(api, made):
    await in_thread(SigningSecret.objects.update, created_at=timezone.now() + timedelta(seconds=30))
    new = document(await api.post(f"{ENDPOINTS}/{made['id']}/rotate-secret", idempotency_key="r"))
    assert new["secret"] not in ("", made["secret"])
    assert new["public_keys"][1:] == made["public_keys"]


async def test_a_test_event_is_owed_once_per_key(api, made):
    path = f"{ENDPOINTS}/{made['id']}/ping"
    pinged = await api.post(path, idempotency_key="p")
    delivery = document(pinged)
    assert pinged.status == 201
    assert header(pinged, "Location") == f"/api/v1/deliveries/{delivery['id']}"
    assert (delivery["event_type"], delivery["state"]) == (actions.TEST_TYPE, "pending")
    assert document(await api.post(path, idempotency_key="p")) == delivery
    assert await in_thread(Delivery.objects.count) == 1


async def test_a_test_event_says_like_others_if_its_merchant_is_live(api, shop, made):
    def told():
        contents = Delivery.objects.order_by("pk").values_list("content", flat=True)
        return [each["live"] for each in contents if each]

    await api.post(f"{ENDPOINTS}/{made['id']}/ping")
    assert await in_thread(told) == [False]
    await in_thread(lambda: type(shop).objects.update(is_live=True))
    await in_thread(actions.ping, shop.code, made["id"])
    assert await in_thread(told) == [False, True]


async def test_a_deleted_endpoint_is_gone_for_its_merchant(api, made):
    path = f"{ENDPOINTS}/{made['id']}"
    delivery = document(await api.post(f"{path}/ping"))
    deleted = await api.call("DELETE", path)
    assert document(deleted) == {"id": made["id"], "object": "webhook_endpoint", "deleted": True}
    assert (await api.call("DELETE", path)).status == 404
    assert (await api.get(path)).status == 404
    assert (await api.get(f"/deliveries/{delivery['id']}")).status == 404
    assert (await api.call("POST", f"/deliveries/{delivery['id']}/resend")).status == 404
    assert (await api.call("POST", f"{path}/enable")).status == 404
    assert document(await api.get(ENDPOINTS))["data"] == []
    assert not await in_thread(SigningSecret.objects.count)
    repeated = document(await api.post(ENDPOINTS, WANTED, idempotency_key="first"))
    assert (repeated["id"], repeated["secret"]) == (made["id"], None)


@pytest.mark.parametrize("scope", ["webhooks:read", "webhooks:write", "payments:read"])
async def test_reading_and_writing_have_scopes_of_their_own(shop, made, scope):
    secret = (await in_thread(lambda: make_key(shop, name="k", by="ada", scopes=[scope])))[1]
    caller, path = Caller(secret), f"{ENDPOINTS}/{made['id']}"
    statuses = {
        "webhooks:read": [
            (await caller.get(each)).status for each in (path, ENDPOINTS, f"{path}/deliveries")
        ],
        "webhooks:write": [
            (await caller.call("PATCH", path, {})).status,
            (await caller.call("POST", f"{path}/enable")).status,
            (await caller.call("POST", f"{path}/disable")).status,
            (await caller.call("DELETE", path)).status,
        ],
    }
    for needed, found in statuses.items():
        assert set(found) == {200 if needed == scope else 403}, needed


async def test_every_type_of_event_may_be_chosen(api):
    answer = await api.post(ENDPOINTS, {**WANTED, "event_types": list(EVENT_TYPES)})
    assert document(answer)["event_types"] == list(EVENT_TYPES)
