"""The webhooks of the OpenAPI document: a typed body for each type of event."""

import re
from collections.abc import Mapping
from typing import Any, Literal

import msgspec

from checkout.api.description.schemas import REFERENCE, TEST_EVENT, Schema
from checkout.payments.events import EVENT_TYPES, object_of
from checkout.payments.objects import (
    EventData,
    OperationEventData,
    OperationObject,
    PaymentEventData,
    PaymentObject,
    ThinWebhookEventObject,
    WebhookEventObject,
)

_HEADERS = [
    {"name": name, "in": "header", "required": True, "schema": {"type": "string"}, "description": meaning}
    for name, meaning in {
        "webhook-id": "The id of the event, the same at every attempt.",
        "webhook-timestamp": "The time of this attempt, in seconds since 1970.",
        "webhook-signature": "Signatures, separated by spaces (docs/webhooks.md).",
    }.items()
]


_CHANGE = """A change. `data` is the {kind} after the change, and `changes` has the earlier values.

Webhooks to an endpoint with the payload `thin` have neither."""
_DATA: Mapping[type, type[EventData]] = {
    PaymentObject: PaymentEventData,
    OperationObject: OperationEventData,
}


def _kind(cls: type) -> str:
    return cls.__name__.removesuffix("Object")


def _types(cls: type) -> list[str]:
    """Return the types of the events about objects of this class."""
    return [type for type in EVENT_TYPES if object_of(type) is cls]


def _event_of(cls: type) -> type[msgspec.Struct]:
    """Return the class of the events about objects of this class, as webhooks have them."""
    kind = _kind(cls)
    return msgspec.defstruct(
        f"{kind}WebhookEvent",
        [("type", Literal[*_types(cls)]), ("data", _DATA[cls]), ("changes", dict[str, Any])],
        bases=(ThinWebhookEventObject,),
        namespace={"__doc__": _CHANGE.format(kind=kind.lower())},
        frozen=True,
        kw_only=True,
    )


# The bodies by the names of their schemas. The first fits events of all types.
EVENTS_OF_WEBHOOKS: Mapping[str, type[msgspec.Struct]] = {
    "WebhookEventObject": WebhookEventObject,
    **{f"{_kind(cls)}WebhookEvent": _event_of(cls) for cls in _DATA},
}


def webhooks() -> Schema:
    """Return the section of the document."""
    every = {type: (meaning, _name_for(type)) for type, meaning in EVENT_TYPES.items()}
    every["webhook.test"] = ("A test event was requested.", "WebhookTestObject")
    return {
        name: {
            "post": {
                # Without a tag, openapi-generator overwrites the file of the paths with the file of the
                # webhooks.
                "tags": ["webhooks"],
                "operationId": "on" + "".join(part.title() for part in re.split(r"[._]", name)),
                "summary": meaning,
                "parameters": _HEADERS,
                "requestBody": {
                    "required": True,
                    "content": {"application/json": {"schema": {"$ref": REFERENCE.format(name=schema)}}},
                },
                "responses": {"2XX": {"description": "Received."}},
            }
        }
        for name, (meaning, schema) in every.items()
    }


def schemas_of_webhooks(components: Mapping[str, Schema]) -> dict[str, Schema]:
    """Return the schemas that no class describes: the test event, the union of all bodies, and their data.

    ``components`` has the schemas of classes.
    """
    references = {type: REFERENCE.format(name=_name_for(type)) for type in EVENT_TYPES}
    references["webhook.test"] = REFERENCE.format(name="WebhookTestObject")
    union = {
        "description": "The body of any webhook. `type` distinguishes these schemas.",
        "oneOf": [{"$ref": each} for each in dict.fromkeys(references.values())],
        "discriminator": {"propertyName": "type", "mapping": references},
    }
    made: dict[str, Schema] = {"WebhookTestObject": TEST_EVENT, "WebhookEvent": union}
    for cls in _DATA:
        made |= _of_events(_kind(cls), components)
    return made


def _of_events(kind: str, components: Mapping[str, Schema]) -> dict[str, Schema]:
    """Return the schema of the data of events about an object."""
    data = components[f"{kind}EventData"]
    properties = {**data["properties"], "object": {"$ref": REFERENCE.format(name=f"{kind}Object")}}
    return {f"{kind}EventData": {**data, "properties": properties}}


def _name_for(type: str) -> str:
    return f"{_kind(object_of(type))}WebhookEvent"
