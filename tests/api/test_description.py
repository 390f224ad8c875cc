"""The OpenAPI document and the pages of problems."""

import json
from datetime import UTC, datetime

import msgspec
import pytest
import yaml

from checkout.api.answers.catalogue import CATALOGUE
from checkout.api.description.document import FILE
from checkout.payments.events import EVENT_TYPES
from checkout.payments.objects import ThinWebhookEventObject
from checkout.webhooks.actions import create_endpoint, ping
from payments_gateway.serving import problems as serving
from payments_gateway.serving.problems import Problem
from scripts import errors_page, openapi
from scripts.documentation import api_reference
from tests.api.calling import ROOT, document
from tests.api.described import validator_of
from tests.support.asgi import AsgiClient


def test_the_files_are_made_from_the_code():
    made = openapi.document()
    assert openapi.PAGE.read_text() == openapi.as_yaml(made), "run: python -m scripts.openapi"
    assert FILE.read_text() == openapi.as_json(made), "run: python -m scripts.openapi"
    assert openapi.REFERENCE.read_text() == api_reference.page(made), "run: python -m scripts.openapi"
    assert errors_page.PAGE.read_text() == errors_page.page(), "run: python -m scripts.errors_page"


def test_it_is_openapi_with_a_webhook_for_each_type_of_event():
    made = yaml.safe_load(openapi.PAGE.read_text())
    assert made["openapi"] == "3.1.0"
    assert set(made["webhooks"]) == {*EVENT_TYPES, "webhook.test"}
    operations = [each for item in made["paths"].values() for each in item.values() if isinstance(each, dict)]
    names = [each["operationId"] for each in operations]
    assert len(names) == len(set(names)) > 10
    # No operation has a method that its address does not support.
    assert set(_codes_in(operations)) == set(CATALOGUE) - {"method_not_allowed"}


def test_webhooks_have_a_tag_of_their_own():
    """openapi-generator makes a file for each tag, so that webhooks would overwrite that of the paths."""
    made = openapi.document()
    tags = {each["post"]["tags"][0] for each in made["webhooks"].values()}
    assert tags == {"webhooks"}
    operations = [each for item in made["paths"].values() for each in item.values() if isinstance(each, dict)]
    assert not any("webhooks" in each.get("tags", ()) for each in operations)


def _codes_in(operations):
    for operation in operations:
        for status, response in operation["responses"].items():
            if status[0] in "45":
                yield from response["description"].split("`")[1::2]


async def test_it_is_served_without_a_key():
    client = AsgiClient()
    answer = await client.get(f"{ROOT}/openapi.json")
    assert (answer.status, document(answer)["openapi"]) == (200, "3.1.0")
    assert (await client.post(f"{ROOT}/openapi.json")).status == 405
    assert (await client.request("OPTIONS", f"{ROOT}/openapi.json")).status == 204


@pytest.mark.parametrize("code", [*CATALOGUE, "too_many_attempts", "captcha_required", "token_expired"])
async def test_every_type_of_problem_is_an_address_with_a_page(code):
    answer = await AsgiClient().get(f"/problems/{code}")
    assert answer.status == 200
    assert code in answer.text


async def test_the_page_of_a_problem_shows_code_as_code():
    answer = await AsgiClient().get("/problems/invalid_request")
    assert "The member <code>errors</code> names each field" in answer.text
    assert "`" not in answer.text


def test_every_problem_of_the_server_is_in_the_catalogue():
    assert {each.code for each in vars(serving).values() if isinstance(each, Problem)} <= set(CATALOGUE)


async def test_an_unknown_problem_has_no_page():
    assert (await AsgiClient().get("/problems/none")).status == 404
    assert (await AsgiClient().post("/problems/not_found")).status == 405


def test_generated_clients_have_room_for_every_number_and_read_words_as_texts():
    """Without a format, generators use 32 bits; without a type, they do not use strings for words."""
    untold, untyped, constant = [], [], []
    for where, schema in _schemas_in(openapi.document()["components"]["schemas"]):
        is_long = schema.get("maximum", 2**31) >= 2**31
        if schema.get("type") == "integer" and is_long and schema.get("format") != "int64":
            untold.append(where)
        if "enum" in schema and "type" not in schema:
            untyped.append(where)
        if isinstance(schema.get("const"), bool):
            constant.append(where)  # openapi-generator makes a text of it, which true is not
    assert untold == ["/Problem/properties/status"]
    assert untyped == constant == []


def test_everything_that_is_sent_or_received_has_a_description_and_an_example():
    made = openapi.document()
    bare = [where for where, schema in _properties_in(made) if not _is_told(schema)]
    parameters = [
        each
        for where, schema in _schemas_in(made)
        for each in (*_listed(schema.get("parameters")), *_named(where, schema))
    ]
    bare += [each for each in parameters if not (each.get("description") and "example" in each)]
    assert bare == []
    assert len(parameters) > 150


def _is_told(schema):
    """Return True for a field with a description and an example; the fields of an object have their own."""
    parts = schema.get("anyOf", [schema])
    is_object = any("$ref" in each for each in (*parts, schema.get("items", {})))
    return bool(schema.get("description")) and (is_object or "examples" in schema)


def _properties_in(made):
    for where, schema in _schemas_in(made):
        if isinstance(properties := schema.get("properties"), dict) and "type" in schema:
            for name, each in properties.items():
                yield f"{where}/{name}", each


def _listed(parameters):
    return parameters if isinstance(parameters, list) else []


def _named(where, schema):
    return schema.values() if where == "/components/headers" else []


def test_every_example_fits_its_schema():
    unfit = []
    for where, schema in _properties_in(openapi.document()):
        for example in schema.get("examples", ()):
            unfit += [f"{where}: {each.message}" for each in validator_of(schema).iter_errors(example)]
    assert unfit == []


def test_each_refusal_has_an_example_of_each_of_its_problems():
    made = openapi.document()
    schema = {"$ref": "#/components/schemas/Problem"}
    told = {"method_not_allowed"}
    for operation in _operations(made):
        for status, response in operation["responses"].items():
            if status[0] in "45":
                examples = response["content"]["application/problem+json"]["examples"]
                assert set(examples) == set(response["description"].split("`")[1::2])
                told |= set(examples)
    assert told == set(CATALOGUE)
    for code, example in made["components"]["examples"].items():
        assert example["value"]["code"] == code
        assert list(validator_of(schema).iter_errors(example["value"])) == []


def test_each_operation_has_a_described_tag_a_summary_and_a_description():
    made = openapi.document()
    tags = {each["name"] for each in made["tags"] if each["description"]}
    used = {tag for each in _operations(made) for tag in each["tags"]}
    assert used | {"webhooks"} == tags
    assert all(each["summary"] and each["description"] for each in _operations(made))


def _operations(made):
    return [each for item in made["paths"].values() for each in item.values() if isinstance(each, dict)]


def _schemas_in(value, where=""):
    if isinstance(value, dict):
        yield where, value
        for name, each in value.items():
            yield from _schemas_in(each, f"{where}/{name}")
    elif isinstance(value, list):
        for number, each in enumerate(value):
            yield from _schemas_in(each, f"{where}/{number}")


def test_times_of_answers_say_that_they_are_times():
    schemas = openapi.document()["components"]["schemas"]
    assert schemas["PaymentObject"]["properties"]["created_at"]["format"] == "date-time"
    assert schemas["PaymentObject"]["properties"]["expires_at"]["anyOf"][0]["format"] == "date-time"
    assert schemas["Failing"]["properties"]["paused_until"]["anyOf"][0]["format"] == "date-time"


@pytest.mark.django_db
@pytest.mark.parametrize("payload", ["thin", "test"])
def test_the_bodies_of_webhooks_are_as_the_document_says(payload):
    name = "webhook.test" if payload == "test" else "payment.captured"
    request = openapi.document()["webhooks"][name]["post"]
    schema = request["requestBody"]["content"]["application/json"]["schema"]
    assert list(validator_of(schema).iter_errors(body_of(payload))) == []
    names = [each["name"] for each in request["parameters"]]
    assert names == ["webhook-id", "webhook-timestamp", "webhook-signature"]


def body_of(payload):
    if payload == "test":
        return ping("shop", create_endpoint("shop", "https://shop.example/hooks").endpoint.reference).content
    notice = ThinWebhookEventObject(
        id="evt_1",
        type="payment.captured",
        created_at=datetime.now(UTC),
        live=False,
        sequence=1,
        merchant="shop",
        payment="pay_1",
        order_reference="1",
        operation=None,
        api_version="2026-12-01",
    )
    return json.loads(msgspec.json.encode(notice))
