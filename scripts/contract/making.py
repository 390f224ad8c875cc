"""JSON Schemas of single classes, and what all schemas have in common."""

from collections.abc import Iterator, Mapping
from typing import Any, TypeAlias

import msgspec

from scripts.contract.words import FIELDS, Field

Schema: TypeAlias = dict[str, Any]

DIALECT = "https://json-schema.org/draft/2020-12/schema"
VERSION = "1.0"


def head(name: str) -> Schema:
    return {"$schema": DIALECT, "$id": f"urn:payments-gateway:messages:{name}:{VERSION}", "title": name}


def schema_of(cls: type[msgspec.Struct], words: Mapping[str, Field] = FIELDS) -> Schema:
    """Return the schema of a class with its definitions, and the meanings of its fields."""
    made = msgspec.json.schema(cls)
    definitions: dict[str, Schema] = made["$defs"]
    for each in definitions.values():
        _describe(each, words)
    schema = definitions.pop(made["$ref"].rpartition("/")[2])
    schema.pop("title")
    return {**schema, "$defs": definitions} if definitions else schema


def _describe(schema: Schema, words: Mapping[str, Field]) -> None:
    if "description" in schema:
        schema["description"] = plain(schema["description"])
    for name, field in schema.get("properties", {}).items():
        if name in words:
            field.setdefault("description", words[name].meaning)
    for pattern in _within(schema, "pattern"):
        # JSON Schema's patterns are those of JavaScript, where "$" is the end of the text.
        pattern["pattern"] = pattern["pattern"].replace(r"\Z", "$")


def plain(docstring: str) -> str:
    """Return a docstring as one line of Markdown for each paragraph."""
    paragraphs = docstring.replace("``", "`").split("\n\n")
    return "\n\n".join(" ".join(each.split()) for each in paragraphs)


def _within(schema: Any, key: str) -> Iterator[Schema]:
    """Yield all parts of a schema that have this key."""
    if isinstance(schema, dict):
        if isinstance(schema.get(key), str):
            yield schema
        for each in schema.values():
            yield from _within(each, key)
    elif isinstance(schema, list):
        for each in schema:
            yield from _within(each, key)
