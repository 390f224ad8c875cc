"""The OpenAPI document and the pages of problems."""

import pytest
import yaml

from checkout.api.answers.catalogue import CATALOGUE
from checkout.api.description.document import FILE
from checkout.payments.events import EVENT_TYPES
from payments_gateway.serving import problems as serving
from payments_gateway.serving.problems import Problem
from scripts import errors_page, openapi
from tests.api.calling import ROOT, document
from tests.support.asgi import AsgiClient


def test_the_files_are_made_from_the_code():
    made = openapi.document()
    assert openapi.PAGE.read_text() == openapi.as_yaml(made), "run: python -m scripts.openapi"
    assert FILE.read_text() == openapi.as_json(made), "run: python -m scripts.openapi"
    assert errors_page.PAGE.read_text() == errors_page.page(), "run: python -m scripts.errors_page"


def test_it_is_openapi_with_a_webhook_for_each_type_of_event():
    made = yaml.safe_load(openapi.PAGE.read_text())
    assert made["openapi"] == "3.1.0"
    assert set(made["webhooks"]) == set(EVENT_TYPES)
    operations = [each for item in made["paths"].values() for each in item.values() if isinstance(each, dict)]
    names = [each["operationId"] for each in operations]
    assert len(names) == len(set(names)) > 10
    # No operation has a method that its address does not support.
    assert set(_codes_in(operations)) == set(CATALOGUE) - {"method_not_allowed"}


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
