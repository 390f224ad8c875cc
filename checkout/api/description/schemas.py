"""JSON Schemas of the documents: those of bodies from serializers, those of answers from ``msgspec``."""

from collections.abc import Mapping
from typing import Any

import msgspec
from rest_framework import serializers

from checkout.api.requests.fields import Metadata

REFERENCE = "#/components/schemas/{name}"
Schema = dict[str, Any]

PROBLEM: Schema = {
    "type": "object",
    "description": "A problem (RFC 9457). Programs compare `code`; texts may change.",
    "properties": {
        "type": {"type": "string", "format": "uri", "description": "An address that says what to do."},
        "code": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "request_id": {"type": "string"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "detail": {"type": "string"},
                    "pointer": {"type": "string", "description": "A JSON pointer to the field of the body."},
                    "parameter": {"type": "string", "description": "The parameter of the query."},
                    "header": {"type": "string"},
                },
                "required": ["detail"],
            },
        },
    },
    "required": ["type", "code", "title", "status", "detail", "request_id"],
}


def schema_of_serializer(serializer: serializers.Serializer[Any]) -> Schema:
    """Return the schema of a body."""
    properties = {name: _default_in_words(schema_of_field(each)) for name, each in serializer.fields.items()}
    required = [name for name, each in serializer.fields.items() if each.required]
    schema: Schema = {"type": "object", "properties": properties, "additionalProperties": False}
    return {**schema, "required": required} if required else schema


def _default_in_words(schema: Schema) -> Schema:
    """Return the schema with its default in words: some generators require a field that has a default."""
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
    if not field.required and isinstance(field.default, str | int | bool) and field.default != "":
        schema["default"] = field.default
    return schema


def _schema_of(field: Any) -> Schema:
    match field:
        case serializers.ListSerializer(child=serializers.Serializer() as child):
            items = schema_of_serializer(child)
            return {"type": "array", "items": items, "maxItems": getattr(field, "max_length", None)}
        case serializers.ListField():
            return {"type": "array", "items": _schema_of(field.child), "maxItems": field.max_length}
        case Metadata():
            return {
                "type": "object",
                "maxProperties": 50,
                "propertyNames": {"minLength": 1, "maxLength": 40},
                "additionalProperties": {"type": "string", "maxLength": 500},
            }
        case serializers.BooleanField():
            return {"type": "boolean"}
        case serializers.IntegerField():
            bounds = {"minimum": field.min_value, "maximum": field.max_value}
            return {"type": "integer", **{name: value for name, value in bounds.items() if value is not None}}
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
        # ECMAScript, whose patterns JSON Schema uses, writes the end of a text like this.
        schema["pattern"] = patterns[0].replace(r"\Z", "$")
    return schema


def schemas_of_answers(types: Mapping[str, Any]) -> tuple[dict[str, Schema], dict[str, Schema]]:
    """Return the schemas of named types, and the components that they refer to."""
    found, components = msgspec.json.schema_components(list(types.values()), ref_template=REFERENCE)
    of_components = {name: _as_it_is_sent(schema) for name, schema in components.items()}
    return dict(zip(types, found, strict=True)), of_components


def _as_it_is_sent(schema: Schema) -> Schema:
    """Return the schema of an object that the gateway sends, which always has all of its fields.

    ``msgspec`` describes objects that are read, in which fields with defaults may be missing. The user of a
    generated client would have to check for each of those fields if it is there.
    """
    if "properties" not in schema:
        return schema
    properties = {name: _of_a_constant(each) for name, each in schema["properties"].items()}
    for each in properties.values():
        each.pop("default", None)
    return {**schema, "properties": properties, "required": list(properties)}


def _of_a_constant(schema: Schema) -> Schema:
    """Return the schema, that of a constant in the form that all generators of clients read."""
    match schema.get("enum"):
        case [bool(value)]:
            return {"type": "boolean", "const": value}
        case [str(value)]:
            return {"type": "string", "const": value}
    return dict(schema)
