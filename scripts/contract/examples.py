"""An example of every message, made from its schema and the examples of its fields."""

from collections.abc import Mapping
from typing import Any

from scripts.contract.event_words import EVENT_FIELDS, TIME
from scripts.contract.making import Schema
from scripts.contract.words import ATTEMPT, FIELDS, OPERATION, PAYMENT, Field

# One type of each kind of events, with the values that belong together in its example.
_EVENTS: Mapping[str, Mapping[str, Any]] = {
    "event.payment": {
        "type": "payment.captured",
        "data": {
            "object": {"id": PAYMENT, "state": "captured"},
            "latest_attempt": {"id": ATTEMPT, "state": "succeeded"},
        },
        "changes": {
            "state": "capture_pending",
            "is_final": False,
            "amounts": {"captured": 0, "refundable": 0},
            "available_actions": [],
            "version": 3,
        },
    },
    "event.operation": {
        "type": "capture.pending",
        "operation": OPERATION,
        "data": {"object": {"id": OPERATION, "state": "pending"}},
        "changes": {"state": "requested"},
    },
}


def example_of(schema: Schema) -> Any:
    """Return a value that fits the schema. Of several alternatives it is the first."""
    title = schema["title"]
    words = EVENT_FIELDS if title.startswith("event.") else FIELDS
    return _laid_over(_value(schema, schema, "", words), _EVENTS.get(title, {}))


def _laid_over(value: Any, others: Mapping[str, Any]) -> Any:
    """Return the example with other values in some of its fields. ``changes`` are replaced as a whole."""
    for name, other in others.items():
        is_part = isinstance(other, Mapping) and name != "changes"
        value[name] = _laid_over(value[name], other) if is_part else other
    return value


def _classes(schema: Schema) -> list[Schema]:
    """Return the alternatives of a field that may be an object of one of several classes."""
    alternatives: list[Schema] = schema.get("anyOf", [])
    return alternatives if all("$ref" in each for each in alternatives) else []


def _value(schema: Schema, root: Schema, name: str, words: Mapping[str, Field]) -> Any:
    if "$ref" in schema:
        return _value(root["$defs"][schema["$ref"].rpartition("/")[2]], root, name, words)
    if "const" in schema:
        return schema["const"]
    if "enum" in schema:
        wanted = words[name].example if name in words else None
        return wanted if wanted in schema["enum"] else schema["enum"][0]
    if alternatives := schema.get("oneOf") or _classes(schema):
        return _value(alternatives[0], root, name, words)
    if "properties" in schema:
        return {key: _value(each, root, key, words) for key, each in schema["properties"].items()}
    if name in words:
        return words[name].example
    if "anyOf" in schema:
        return _value(schema["anyOf"][0], root, name, words)
    if schema.get("format") == "date-time":
        return TIME
    if "pattern" in schema:
        return "0" * 9 + "5"
    if "default" in schema:
        return schema["default"]
    return {"array": [], "object": {}, "integer": 0, "boolean": False}.get(schema.get("type", ""), "")
