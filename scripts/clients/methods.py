"""The methods of the API, as generators of clients need them."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from scripts.openapi import PAGE

Schema = Mapping[str, Any]
PREFIX = "/api/v1"
REFERENCE = "#/components/schemas/"


@dataclass(frozen=True, slots=True)
class Method:
    """One operation of the document. ``path`` is without the prefix; ``body`` and ``answer`` name schemas.

    ``body`` is empty if the operation has no body, or one without fields. ``query`` has the schema of each
    query parameter, and True if the parameter is required. ``item`` names the schema of the objects in a list
    with pages, and is empty for other methods.
    """

    name: str
    summary: str
    verb: str
    path: str
    query: Mapping[str, tuple[Schema, bool]]
    body: str
    is_body_required: bool
    answer: str
    item: str
    has_key: bool
    has_prefer: bool

    @property
    def has_reference(self) -> bool:
        return "{reference}" in self.path


def document() -> Schema:
    """Return the OpenAPI document."""
    read: Schema = yaml.load(PAGE.read_text(), yaml.CSafeLoader)
    return read


def name_in(reference: Schema) -> str:
    """Return the name of the schema to which ``$ref`` leads."""
    return str(reference["$ref"]).removeprefix(REFERENCE)


def methods_of(document: Schema) -> Iterator[Method]:
    """Yield the methods in the order of the document."""
    for path, item in document["paths"].items():
        for verb, operation in item.items():
            if isinstance(operation, dict) and "operationId" in operation:
                yield _method(document, path, verb, operation)


def _method(document: Schema, path: str, verb: str, operation: Schema) -> Method:
    parameters = operation.get("parameters", [])
    headers = {each["name"] for each in parameters if each["in"] == "header"}
    query = [each for each in parameters if each["in"] == "query"]
    success = next(each for status, each in operation["responses"].items() if status.startswith("2"))
    answer = name_in(success["content"]["application/json"]["schema"])
    body = operation.get("requestBody")
    body_name = name_in(body["content"]["application/json"]["schema"]) if body else ""
    is_paged = any(each["name"] == "cursor" for each in query)
    schemas = document["components"]["schemas"]
    has_fields = bool(body_name and schemas[body_name]["properties"])
    return Method(
        name=operation["operationId"],
        summary=operation["summary"],
        verb=verb.upper(),
        path=path.removeprefix(PREFIX),
        query={each["name"]: (each["schema"], bool(each.get("required"))) for each in query},
        body=body_name if has_fields else "",
        is_body_required=bool(body and body.get("required")),
        answer=answer,
        item=name_in(schemas[answer]["properties"]["data"]["items"]) if is_paged else "",
        has_key="Idempotency-Key" in headers,
        has_prefer="Prefer" in headers,
    )


def snake(name: str) -> str:
    """Return a name in camel case as words with underscores."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()


def capitalised(name: str) -> str:
    """Return a name in camel case with a capital at its beginning."""
    return name[:1].upper() + name[1:]
