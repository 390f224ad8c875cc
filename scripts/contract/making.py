"""JSON Schemas of single classes, and the parts that all schemas share."""

from collections.abc import Iterator, Mapping
from typing import Any, TypeAlias

import msgspec

from checkout.described import plain
from scripts.contract.words import FIELDS, Field

Schema: TypeAlias = dict[str, Any]

DIALECT = "https://json-schema.org/draft/2020-12/schema"
VERSION = "1.0"


def head(name: str) -> Schema:
    return {"$schema": DIALECT, "$id": f"urn:payments-gateway:messages:{name}:{VERSION}", "title": name}


def text(description: str, example: str, **more: Any) -> Schema:
    """Return the schema of a text."""
    return {"type": "string", **more, "description": description, "examples": [example]}


def whole(description: str, example: int) -> Schema:
    """Return the schema of a whole number."""
    return {"type": "integer", "description": description, "examples": [example]}


def schema_of(cls: type[msgspec.Struct], words: Mapping[str, Field] = FIELDS) -> Schema:
    """Return the schema of a class with its definitions, and the meanings of its fields.

    ``words`` has the meanings of fields whose class does not give them.
    """
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
            if not any("$ref" in each for each in field.get("anyOf", [field])):
                field.setdefault("examples", [words[name].example])
    for part in _parts(schema):
        # AsyncAPI has a discriminator of another kind, and the constants of the alternatives say the same.
        part.pop("discriminator", None)
    for pattern in _within(schema, "pattern"):
        # Patterns in JSON Schema are those of JavaScript, where "$" matches only the end of the text.
        pattern["pattern"] = pattern["pattern"].replace(r"\Z", "$")


def _within(schema: Any, key: str) -> Iterator[Schema]:
    """Yield all objects in a schema that have this key with a text as its value."""
    return (part for part in _parts(schema) if isinstance(part.get(key), str))


def _parts(schema: Any) -> Iterator[Schema]:
    """Yield all objects in a schema, itself included."""
    if isinstance(schema, dict):
        yield schema
        for each in schema.values():
            yield from _parts(each)
    elif isinstance(schema, list):
        for each in schema:
            yield from _parts(each)
