"""An example of every message, made from its schema and the examples of its fields."""

from typing import Any

from scripts.contract.schemas import Schema
from scripts.contract.words import FIELDS


def example_of(schema: Schema) -> Any:
    """Return a value that fits the schema. Of several alternatives it is the first."""
    return _value(schema, schema, "")


def _value(schema: Schema, root: Schema, name: str) -> Any:
    if "$ref" in schema:
        return _value(root["$defs"][schema["$ref"].rpartition("/")[2]], root, name)
    if "const" in schema:
        return schema["const"]
    if "enum" in schema:
        wanted = FIELDS[name].example if name in FIELDS else None
        return wanted if wanted in schema["enum"] else schema["enum"][0]
    if alternatives := schema.get("oneOf"):
        return _value(alternatives[0], root, name)
    if "properties" in schema:
        return {key: _value(each, root, key) for key, each in schema["properties"].items()}
    if name in FIELDS:
        return FIELDS[name].example
    if "default" in schema:
        return schema["default"]
    return {"array": [], "object": {}, "integer": 0, "boolean": False}.get(schema.get("type", ""), "")
