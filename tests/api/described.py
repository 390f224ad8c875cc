"""A check that every answer in tests matches the description of its operation."""

import json
import re
from collections.abc import Iterator
from functools import cache
from typing import Any

from jsonschema import Draft202012Validator, FormatChecker

from checkout.api.description.openapi import document
from tests.support.asgi import Answer

# The headers that programs use. Those of browsers and of HTTP itself need no description.
HEADERS = {
    "location",
    "retry-after",
    "idempotent-replayed",
    "preference-applied",
    "request-id",
    "api-version",
}
Described = tuple[str, re.Pattern[str], dict[str, Any]]


@cache
def document_with_all_fields() -> dict[str, Any]:
    """Return the document, changed so that objects have all described fields and no others."""
    made = document()
    for name, schema in made["components"]["schemas"].items():
        if "properties" in schema and name != "Problem":
            schema["additionalProperties"] = False
    return made


@cache
def _operations() -> list[Described]:
    """Return the method, the form of the address and the responses by status of each operation."""
    # The literal address comes first, because `by-order` is not an id.
    return sorted(_described(), key=lambda each: "[" in each[1].pattern)


def _described() -> Iterator[Described]:
    for address, item in document_with_all_fields()["paths"].items():
        form = re.compile(re.sub(r"\\{\w+\\}", "[^/]+", re.escape(address)))
        for method, operation in item.items():
            if isinstance(operation, dict):
                yield method.upper(), form, operation["responses"]


def require_described(method: str, path: str, answer: Answer) -> None:
    """Fail if the answer differs from its operation's description: its status, problem, headers or body."""
    address = path.partition("?")[0]
    where = f"{method} {address}: {answer.status}"
    for described, form, responses in _operations():
        if described == method and form.fullmatch(address):
            assert str(answer.status) in responses, where
            response = responses[str(answer.status)]
            body = json.loads(answer.body)
            if answer.status >= 400:
                codes = set(response["description"].split("`")[1::2])
                assert body.get("code") in codes, f"{where} {body.get('code')}"
            _require_headers(where, response, answer)
            (content,) = response["content"].values()
            faults = [each.message for each in validator_of(content["schema"]).iter_errors(body)]
            assert not faults, f"{where} {faults}"
            return


def _require_headers(where: str, response: dict[str, Any], answer: Answer) -> None:
    described = {name.lower() for name in response["headers"]}
    # Problems have the header with the version, too. The document leaves it out for brevity.
    names = HEADERS - {"api-version"} if answer.status >= 400 else HEADERS
    sent = {name.lower() for name, _ in answer.raw_headers} & names
    assert sent <= described, f"{where} {sent - described}"


def validator_of(schema: dict[str, Any]) -> Draft202012Validator:
    """Return the validator of a schema in the document."""
    whole = {**schema, "components": document_with_all_fields()["components"]}
    return Draft202012Validator(whole, format_checker=FormatChecker())
