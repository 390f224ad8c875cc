"""An example of every message, made from its schema and the examples of its fields."""

from collections.abc import Mapping
from typing import Any

from scripts.contract.event_words import EVENT_FIELDS, TIME
from scripts.contract.making import Schema
from scripts.contract.words import FIELDS, Field


def example_of(schema: Schema) -> Any:
    """Return a value that fits the schema. Of several alternatives it is the first."""
    words = EVENT_FIELDS if schema["title"].startswith("event.") else FIELDS
    return _value(schema, schema, "", words)


def _value(schema: Schema, root: Schema, name: str, words: Mapping[str, Field]) -> Any:
    if "$ref" in schema:
        return _value(root["$defs"][schema["$ref"].rpartition("/")[2]], root, name, words)
    if "const" in schema:
        return schema["const"]
    if "enum" in schema:
        wanted = words[name].example if name in words else None
        return wanted if wanted in schema["enum"] else schema["enum"][0]
    if alternatives := schema.get("oneOf"):
        return _value(alternatives[0], root, name, words)
    if "properties" in schema:
        return {key: _value(each, root, key, words) for key, each in schema["properties"].items()}
    if name in words:
        return words[name].example
    if schema.get("format") == "date-time":
        return TIME
    if "pattern" in schema:
        return "0" * 9 + "5"
    if "default" in schema:
        return schema["default"]
    return {"array": [], "object": {}, "integer": 0, "boolean": False}.get(schema.get("type", ""), "")
