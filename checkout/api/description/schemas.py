"""JSON Schemas: those of request bodies are made from serializers, those of answers from ``msgspec``."""

from collections.abc import Mapping
from typing import Any

import msgspec
from rest_framework import serializers

from checkout.api.requests.fields import CommaSeparated, Metadata, MetadataChange, NameAndValue, QueryFlag
from checkout.conf.api import API_VERSION, API_VERSIONS
from checkout.described import ENDPOINT, EVENT, TIME, plain

REFERENCE = "#/components/schemas/{name}"
Schema = dict[str, Any]
_LARGEST_OF_32_BITS = 2**31 - 1
# Fields of answers that contain times, although their names do not end with "_at".
_TIMES = {"at", "since", "paused_until", "capture_before"}
# Fields that a thin webhook lacks. ``changes`` is also left out if it is empty.
_FULL_ONLY = {"data", "changes"}
_MAY_BE_MISSING = {
    **{f"{kind}WebhookEvent": _FULL_ONLY for kind in ("Payment", "Attempt", "Operation")},
    **{f"{kind}EventData": {"left_out"} for kind in ("Payment", "Attempt", "Operation")},
}

# Examples use this id of a request.
REQUEST = "01JDVQ6Y8T3M5K7N9P0R2S4V6X"


def _text(description: str, example: str, **more: Any) -> Schema:
    return {"type": "string", **more, "description": description, "examples": [example]}


def _amount(description: str) -> Schema:
    return {"type": "integer", "format": "int64", "description": description, "examples": [1000]}


PROBLEM: Schema = {
    "type": "object",
    "description": "A problem (RFC 9457). Programs compare `code`; texts may change.",
    "properties": {
        "type": _text(
            "An address that says what to do.",
            "https://pay.example/problems/amount_not_available",
            format="uri",
        ),
        "code": _text("The problem, as a word for programs.", "amount_not_available"),
        "title": _text("The problem in a few words.", "Amount not available"),
        "status": {"type": "integer", "description": "The HTTP status.", "examples": [409]},
        "detail": _text("The problem in a sentence.", "The amount is greater than the amount that is left."),
        "request_id": _text("The id of the request, for questions to the gateway's operators.", REQUEST),
        "errors": {
            "type": "array",
            "description": "The faults in fields, parameters and headers. Each names where it is.",
            "items": {
                "type": "object",
                "properties": {
                    "detail": _text("The fault, and what to send instead.", "This field is required."),
                    "pointer": _text("A JSON pointer to the field of the body.", "/amount"),
                    "parameter": _text("The parameter of the query.", "limit"),
                    "header": _text("The header.", "Idempotency-Key"),
                },
                "required": ["detail"],
            },
            "examples": [[{"detail": "This field is required.", "pointer": "/amount"}]],
        },
        "available": _amount("Of `amount_not_available` and `payment_disputed`: the amount that is left."),
        "currency": _text("Of `amount_not_available` and `payment_disputed`: its currency.", "GBP"),
        "refundable": _amount("Of `refundable_changed`: the amount that may be refunded."),
        "scope": _text("Of `scope_missing`: the scope that is needed.", "payments:refund"),
        "versions": {
            "type": "array",
            "items": {"type": "string"},
            "description": "Of `api_version_unknown`: the versions that there are.",
            "examples": [list(API_VERSIONS)],
        },
    },
    "required": ["type", "code", "title", "status", "detail", "request_id"],
}
TEST_EVENT: Schema = {
    "type": "object",
    "description": "A test event (`ping`). It belongs to no payment, so it has no sequence and no data.",
    "properties": {
        "id": _text("The id of the event.", EVENT),
        "object": _text("The kind of object.", "event", const="event"),
        "type": _text("The type of the event.", "webhook.test", const="webhook.test"),
        "created_at": _text("The time of the event.", TIME, format="date-time"),
        "live": {
            "type": "boolean",
            "description": "False for a merchant that is only tried out.",
            "examples": [False],
        },
        "merchant": _text("The merchant's code.", "shop"),
        "endpoint": _text("The id of the endpoint.", ENDPOINT),
        "api_version": _text("The API version of the endpoint.", API_VERSION),
    },
    "required": ["id", "object", "type", "created_at", "live", "merchant", "endpoint", "api_version"],
}


def schema_of_serializer(serializer: serializers.Serializer[Any]) -> Schema:
    """Return the schema of a body."""
    description = plain(type(serializer).__doc__ or "")
    properties = {name: _default_in_words(schema_of_field(each)) for name, each in serializer.fields.items()}
    required = [name for name, each in serializer.fields.items() if each.required]
    schema: Schema = {
        "type": "object",
        "description": description,
        "properties": properties,
        "additionalProperties": False,
    }
    return {**schema, "required": required} if required else schema


def _default_in_words(schema: Schema) -> Schema:
    """Return the schema with its default in the description.

    Some generators of clients treat a field with a default as required.
    """
    if "default" not in schema:
        return schema
    value = msgspec.json.encode(schema.pop("default")).decode()
    return {**schema, "description": f"{schema.get('description', '')} Default: `{value}`.".lstrip()}


def schema_of_field(field: Any) -> Schema:
    """Return the schema of one field or parameter."""
    schema = _schema_of(field)
    if getattr(field, "allow_null", False):
        schema["type"] = [schema["type"], "null"]
    if field.help_text:
        schema["description"] = str(field.help_text)
    example = getattr(field, "example", None)
    if example is not None:
        schema["examples"] = [_as_in_query(example) if isinstance(field, QueryFlag) else example]
    if not field.required and isinstance(field.default, str | int | bool) and field.default != "":
        schema["default"] = field.default
    return schema


def _as_in_query(word: str) -> bool:
    return word == "true"


def _schema_of(field: Any) -> Schema:
    match field:
        case serializers.ListSerializer(child=serializers.Serializer() as child):
            items = schema_of_serializer(child)
            return {"type": "array", "items": items, "maxItems": getattr(field, "max_length", None)}
        case serializers.ListField():
            return {"type": "array", "items": _schema_of(field.child), "maxItems": field.max_length}
        case MetadataChange():
            schema = _schema_of(Metadata())
            return {**schema, "additionalProperties": {"type": ["string", "null"], "maxLength": 500}}
        case Metadata():
            return {
                "type": "object",
                "maxProperties": 50,
                "propertyNames": {"minLength": 1, "maxLength": 40},
                "additionalProperties": {"type": "string", "maxLength": 500},
            }
        case CommaSeparated():
            words = {"type": "string", "enum": list(field.choices)}
            return {"type": "array", "items": words, "minItems": 1}
        case NameAndValue():
            return {"type": "string", "pattern": "^[^:]{1,40}:.{0,500}$", "maxLength": 541}
        case serializers.BooleanField():
            return {"type": "boolean"}
        case serializers.IntegerField():
            bounds = {"minimum": field.min_value, "maximum": field.max_value}
            schema = {"type": "integer", **{name: each for name, each in bounds.items() if each is not None}}
            is_long = field.max_value is None or field.max_value > _LARGEST_OF_32_BITS
            return {**schema, "format": "int64"} if is_long else schema
        case serializers.DateTimeField():
            return {"type": "string", "format": "date-time"}
        case serializers.ChoiceField():
            return {"type": "string", "enum": list(field.choices)}
        case serializers.CharField():
            return _schema_of_text(field)
    raise TypeError(f"There is no schema for {field!r}.")


def _schema_of_text(field: serializers.CharField) -> Schema:
    lengths = {
        "minLength": field.min_length or (0 if field.allow_blank else 1),
        "maxLength": field.max_length,
    }
    schema: Schema = {"type": "string", **{name: value for name, value in lengths.items() if value}}
    patterns = [each.regex.pattern for each in field.validators if hasattr(each, "regex")]
    if patterns:
        # JSON Schema uses the patterns of ECMAScript, in which ``$`` is the end of a text.
        schema["pattern"] = patterns[0].replace(r"\Z", "$")
    return schema


def schemas_of_answers(types: Mapping[str, Any]) -> tuple[dict[str, Schema], dict[str, Schema]]:
    """Return the schemas of named types, and the components to which those refer."""
    found, components = msgspec.json.schema_components(list(types.values()), ref_template=REFERENCE)
    of_components = {name: _as_it_is_sent(name, schema) for name, schema in components.items()}
    return dict(zip(types, found, strict=True)), of_components


def _as_it_is_sent(name: str, schema: Schema) -> Schema:
    """Return the schema of an object that the gateway sends, which always has all of its fields.

    ``msgspec`` describes objects as they are read, so that a field with a default may be missing. With such a
    schema, a user of a generated client would have to check if each of these fields is present.
    """
    if "description" in schema:
        schema = {**schema, "description": plain(schema["description"])}
    if "properties" not in schema:
        return _for_generators(schema)
    fields = schema["properties"].items()
    properties = {field: _for_generators(each, is_time=_is_time(field)) for field, each in fields}
    for each in properties.values():
        each.pop("default", None)
    required = [field for field in properties if field not in _MAY_BE_MISSING.get(name, ())]
    return {**schema, "properties": properties, "required": required}


def _is_time(field: str) -> bool:
    return field.endswith("_at") or field in _TIMES


def _for_generators(schema: Schema, *, is_time: bool = False) -> Schema:
    """Return the schema of a value, extended for generators of clients.

    Without a format, many generators use 32-bit integers, which cannot hold every amount. Without a type,
    they do not treat the values of an enumeration as strings.
    """
    match schema:
        case {"enum": [bool()], **told}:
            return {"type": "boolean", **told}  # openapi-generator turns a constant into the string "true"
        case {"enum": [str(value)], **told}:
            return {"type": "string", "const": value, **told}
        case {"enum": [str(), *_]}:
            return {"type": "string", **schema}
        case {"anyOf": list(parts)}:
            return {**schema, "anyOf": [_for_generators(each, is_time=is_time) for each in parts]}
        case {"type": "array", "items": dict(items)}:
            return {**schema, "items": _for_generators(items)}
        case {"type": "integer"}:
            return {**schema, "format": "int64"}
        case {"type": "string"} if is_time:
            return {**schema, "format": "date-time"}
    return dict(schema)
