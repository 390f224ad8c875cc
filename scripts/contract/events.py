"""JSON Schemas of events: one for events of payments, and one for those of operations."""

from collections.abc import Mapping

import msgspec

from checkout.described import EVENT, PAYMENT, TIME
from checkout.payments.events.types import object_of
from checkout.payments.objects import EventObject, OperationEventData, PaymentEventData, PaymentObject
from scripts.contract.making import Schema, head, schema_of, text, whole

DATA: Mapping[str, type[msgspec.Struct]] = {
    "event.payment": PaymentEventData,
    "event.operation": OperationEventData,
}

# This field is written only if something was left out of the event.
MAY_BE_MISSING = {"left_out"}
TIMES = ("_at", "_before")


def event_schemas() -> Mapping[str, Schema]:
    """Return the schemas by the names of their files."""
    return {"event.headers": _headers(), **{name: _of_events(name) for name in DATA}}


def schema_name(type: str) -> str:
    """Return the name of the schema of events of this type."""
    return "event.payment" if object_of(type) is PaymentObject else "event.operation"


def _of_events(name: str) -> Schema:
    event, data = (schema_of(each, {}) for each in (EventObject, DATA[name]))
    definitions = data.pop("$defs")
    event["properties"]["data"] = {
        "$ref": "#/$defs/Data",
        "description": event["properties"]["data"]["description"],
    }
    definitions["Data"] = data
    for each in (event, *definitions.values()):
        _complete(each)
    return {**head(name), **event, "$defs": dict(sorted(definitions.items()))}


def _complete(schema: Schema) -> None:
    """Add facts that the classes do not express: fields are always written, and times are RFC 3339 in UTC."""
    properties = schema.get("properties", {})
    if properties:
        schema["required"] = [field for field in properties if field not in MAY_BE_MISSING]
    for field, each in properties.items():
        for part in each.get("anyOf", [each]) if field.endswith(TIMES) else ():
            if part["type"] == "string":
                part["format"] = "date-time"


def _headers() -> Schema:
    """Return the schema of an event's headers: the attributes of CloudEvents, and two of ours."""
    subject = text("The reference of the payment.", PAYMENT)
    attributes = {
        "specversion": {"const": "1.0", "description": "The version of CloudEvents.", "examples": ["1.0"]},
        "id": text("The event's id, equal to `message_id`.", EVENT),
        "type": text("The event's type, equal to `type` of the message.", "payment.captured"),
        "source": text("The installation: its prefix after a slash.", "/checkout"),
        "subject": subject,
        "time": text("The time of the event, in UTC.", TIME, format="date-time"),
        "sequence": text(
            "The number of the event among those of its payment, with leading zeros.",
            "0000000005",
            pattern="^[0-9]{10}$",
        ),
        "audience": text("The merchant's code.", "shop"),
    }
    return {
        **head("event.headers"),
        "description": "The headers of an event: CloudEvents 1.0, binary mode. Ignore others.",
        "type": "object",
        "properties": {
            **{f"cloudEvents:{name}": attribute for name, attribute in attributes.items()},
            "schema-version": whole("The first number of the version.", 1),
            "subject": subject,
        },
        "required": [f"cloudEvents:{name}" for name in attributes] + ["schema-version", "subject"],
    }
