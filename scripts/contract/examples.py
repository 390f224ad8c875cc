"""An example of every message, made from its schema and the examples of its fields."""

from collections.abc import Mapping
from typing import Any

from checkout.described import ATTEMPT, OPERATION, PAYMENT
from scripts.contract.making import Schema

# One type of each kind of event, with values for the example that fit together.
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
    """Return a value that fits the schema, the first of several alternatives."""
    return _laid_over(_value(schema, schema), _EVENTS.get(schema["title"], {}))


def _laid_over(value: Any, others: Mapping[str, Any]) -> Any:
    """Return the example with these changes. A field that is an object is replaced as a whole."""
    for name, other in others.items():
        is_part = isinstance(other, Mapping) and name != "changes"
        value[name] = _laid_over(value[name], other) if is_part else other
    return value


def _value(schema: Schema, root: Schema) -> Any:
    match schema:
        case {"examples": [example, *_]}:
            return example
        case {"$ref": str(reference)}:
            return _value(root["$defs"][reference.rpartition("/")[2]], root)
        case {"const": value} | {"enum": [value, *_]}:
            return value
        case {"oneOf": [first, *_]} | {"anyOf": [first, *_]}:
            return _value(first, root)
        case {"type": "object"}:
            return {name: _value(each, root) for name, each in schema.get("properties", {}).items()}
    raise ValueError(f"There is no example of {schema}.")
