"""The bodies of webhooks are as the OpenAPI document says, each with the object of its type."""

import json

import msgspec

from checkout.payments.events import EVENT_TYPES
from checkout.payments.models import Event
from checkout.payments.objects import webhook_object
from messaging.concurrency.database import in_thread
from scripts import openapi
from tests.api.calling import document
from tests.api.described import validator_of
from tests.flows.shopping import captured, notify_all, pay

UNION = {"$ref": "#/components/schemas/WebhookEvent"}


def schema_for(type):
    request = openapi.document()["webhooks"][type]["post"]["requestBody"]
    return request["content"]["application/json"]["schema"]


def faults(schema, body):
    found = validator_of(schema).iter_errors(body)
    return [f"{body['type']} {each.json_path}: {each.message}" for each in found]


def bodies(*, is_thin):
    events = Event.objects.select_related("payment", "merchant").order_by("pk")
    made = [webhook_object(event, "2026-12-01", is_thin=is_thin) for event in events]
    return [json.loads(msgspec.json.encode(each)) for each in made]


async def test_every_webhook_of_a_payments_life_has_the_type_that_is_described(api, payment, books, back_end):
    await pay(payment, "refuse")
    await pay(payment, "challenge", attempt_number=2)
    other = document(await api.post("/payments", ORDER))
    await api.post(f"/payments/{other['id']}/cancel")
    full, thin = await in_thread(lambda: (bodies(is_thin=False), bodies(is_thin=True)))
    assert {"payment.created", "payment.declined", "payment.action_required", "payment.cancelled"} <= {
        each["type"] for each in full
    }
    for body in (*full, *thin):
        assert not faults(schema_for(body["type"]), body)
        assert not faults(UNION, body)


async def test_operations_have_theirs(api, manual, books, back_end):
    await captured(manual, books)
    await api.post(f"/payments/{manual.reference}/refund", {"amount": 250})
    await notify_all(books)
    full = [each for each in await in_thread(bodies, is_thin=False) if each["operation"]]
    assert {"capture.requested", "capture.succeeded", "refund.requested"} <= {each["type"] for each in full}
    for body in full:
        assert not faults(schema_for(body["type"]), body)


async def test_a_body_with_the_object_of_another_type_is_not_as_described(api, payment):
    (body,) = await in_thread(bodies, is_thin=False)
    schema = schema_for("payment.created")
    assert not faults(schema, body)
    assert faults(schema, {**body, "type": "refund.refused"})
    assert faults(schema_for("refund.refused"), body)
    without_state = {name: each for name, each in body["data"]["object"].items() if name != "state"}
    assert faults(schema, {**body, "data": {**body["data"], "object": without_state}})


def test_answers_and_events_always_have_every_field_of_an_object():
    schemas = openapi.document()["components"]["schemas"]
    for kind in ("Payment", "Attempt", "Operation"):
        assert set(schemas[f"{kind}Object"]["required"]) == set(schemas[f"{kind}Object"]["properties"])


def test_an_event_that_was_too_long_may_say_so(shop):
    data = validator_of({"$ref": "#/components/schemas/PaymentEventData"})
    missing = {each.message for each in data.iter_errors({"left_out": ["lines"]})}
    required = ("object", "order_reference", "merchant", "metadata", "latest_attempt", "operations")
    assert missing == {f"'{name}' is a required property" for name in required}


def test_a_program_can_tell_by_the_type_which_body_it_has():
    schemas = openapi.document()["components"]["schemas"]
    discriminator = schemas["WebhookEvent"]["discriminator"]
    assert discriminator["propertyName"] == "type"
    assert set(discriminator["mapping"]) == {*EVENT_TYPES, "webhook.test"}
    for type, reference in discriminator["mapping"].items():
        told = schemas[reference.rpartition("/")[2]]["properties"]["type"]
        assert type in told.get("enum", [told.get("const")])
        assert schema_for(type) == {"$ref": reference}


ORDER = {"order_reference": "A-9", "amount": 100, "currency": "EUR", "description": "Tea"}
