"""The webhooks of the OpenAPI document: a typed body for each type of event."""

import re
from collections.abc import Mapping
from typing import Annotated, Literal

import msgspec

from checkout.api.description.schemas import REFERENCE, TEST_EVENT, Schema
from checkout.described import EVENT, told
from checkout.payments.events import EVENT_TYPES, object_of
from checkout.payments.objects import (
    EventData,
    EventObject,
    OperationEventData,
    OperationObject,
    PaymentEventData,
    PaymentObject,
    ThinWebhookEventObject,
)

TAG: Schema = {"name": "webhooks", "description": "Requests that the gateway sends to your endpoints."}


def _header(name: str, description: str, example: str) -> Schema:
    schema = {"type": "string"}
    of_header: Schema = {"name": name, "in": "header", "required": True, "schema": schema}
    return {**of_header, "description": description, "example": example}


_HEADERS = [
    _header("webhook-id", "The id of the event, the same at every attempt.", EVENT),
    _header("webhook-timestamp", "The time of this attempt, in seconds since 1970.", "1795944600"),
    _header(
        "webhook-signature",
        "Signatures, separated by spaces (docs/webhooks.md).",
        "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    ),
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
    """Return the types of the events whose object is of this class."""
    return [type for type in EVENT_TYPES if object_of(type) is cls]


def _event_of(cls: type) -> type[msgspec.Struct]:
    """Return the class of a webhook's body: an event about an object of this class."""
    kind = _kind(cls)
    return msgspec.defstruct(
        f"{kind}WebhookEvent",
        [
            ("type", Annotated[Literal[*_types(cls)], told("The type of the event.", _types(cls)[0])]),
            ("data", Annotated[_DATA[cls], told("The object after the change, and what belongs to it.")]),
            ("changes", EventObject.__annotations__["changes"]),
        ],
        bases=(ThinWebhookEventObject,),
        namespace={"__doc__": _CHANGE.format(kind=kind.lower())},
        frozen=True,
        kw_only=True,
    )


# The bodies by the names of their schemas.
EVENTS_OF_WEBHOOKS: Mapping[str, type[msgspec.Struct]] = {
    f"{_kind(cls)}WebhookEvent": _event_of(cls) for cls in _DATA
}


def webhooks() -> Schema:
    """Return the section ``webhooks`` of the OpenAPI document."""
    every = {type: (meaning, _name_for(type)) for type, meaning in EVENT_TYPES.items()}
    every["webhook.test"] = ("A test event was requested.", "WebhookTestObject")
    return {
        name: {
            "post": {
                # Without a tag, openapi-generator overwrites the file of the paths with the file of the
                # webhooks.
                "tags": [TAG["name"]],
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


def schemas_of_webhooks() -> dict[str, Schema]:
    """Return the schemas that no class describes: the test event, and the union of all bodies."""
    references = {type: REFERENCE.format(name=_name_for(type)) for type in EVENT_TYPES}
    references["webhook.test"] = REFERENCE.format(name="WebhookTestObject")
    union = {
        "description": "The body of any webhook. `type` distinguishes these schemas.",
        "oneOf": [{"$ref": each} for each in dict.fromkeys(references.values())],
        "discriminator": {"propertyName": "type", "mapping": references},
    }
    return {"WebhookTestObject": TEST_EVENT, "WebhookEvent": union}


def _name_for(type: str) -> str:
    return f"{_kind(object_of(type))}WebhookEvent"
