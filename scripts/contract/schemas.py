"""JSON Schemas (2020-12) of all bodies, made from the message classes."""

from collections.abc import Iterator, Mapping
from typing import Any, TypeAlias

import msgspec

from checkout.message_registry import COMMANDS
from checkout.messages import Answer, Command
from messaging.envelope import ReplyError
from scripts.contract.words import FIELDS

Schema: TypeAlias = dict[str, Any]

DIALECT = "https://json-schema.org/draft/2020-12/schema"
VERSION = "1.0"


def schemas() -> Mapping[str, Schema]:
    """Return the schemas by the names of their files, without the extension."""
    return {
        "headers": _headers(),
        **{command.to: _of_command(command) for command in COMMANDS.values()},
        **{
            reply_name(command.to): _of_reply(command.to, command.answer)
            for command in COMMANDS.values()
            if command.answer is not None
        },
    }


def reply_name(type: str) -> str:
    """Return the name of the schema of the replies to a command."""
    return f"{type}.reply"


def _of_command(command: type[Command[Any]]) -> Schema:
    return {**_head(command.to), **_of_class(command)}


def _of_reply(type: str, answer: type[Answer]) -> Schema:
    """Return the schema of a reply's body: it has either a result or an error."""
    result, error = _of_class(answer), _of_class(ReplyError)
    definitions = result.pop("$defs", {}) | {"Error": error, answer.__name__: result}
    error["properties"]["code"]["description"] = "A word for programs."
    error["properties"]["message"]["description"] = "A text for people."
    error["properties"]["retryable"]["description"] = "True if the same command may succeed later."
    return {
        **_head(reply_name(type)),
        "description": f"The reply to `{type}`.",
        "oneOf": [
            _closed({"ok": {"const": True}, "result": {"$ref": f"#/$defs/{answer.__name__}"}}),
            _closed({"ok": {"const": False}, "error": {"$ref": "#/$defs/Error"}}),
        ],
        "$defs": dict(sorted(definitions.items())),
    }


def _headers() -> Schema:
    """Return the schema of the headers that the contract knows. Others travel on unread."""
    text = {"type": "string"}
    return {
        **_head("headers"),
        "description": "The headers of a message. Headers that are not named here are passed on.",
        "type": "object",
        "properties": {
            "deadline": {"type": "integer", "description": "Epoch milliseconds: the asker's patience ends."},
            "traceparent": {**text, "description": "W3C Trace Context."},
            "schema-version": {"type": "integer", "description": "The first number of the version."},
            "causation-id": {**text, "description": "The id of the message that caused this one."},
            "subject": {**text, "maxLength": 100, "description": "The reference of the payment."},
            "sealed": {**text, "description": "A secret for one later participant: pass it on unread."},
            "proof": {**text, "description": "Shows that a program with the secret key wrote the message."},
        },
    }


def _head(name: str) -> Schema:
    return {"$schema": DIALECT, "$id": f"urn:payments-gateway:messages:{name}:{VERSION}", "title": name}


def _closed(properties: Schema) -> Schema:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def _of_class(cls: type[msgspec.Struct]) -> Schema:
    """Return the schema of a class with its definitions, and the meanings of its fields."""
    made = msgspec.json.schema(cls)
    definitions: dict[str, Schema] = made["$defs"]
    for each in definitions.values():
        _describe(each)
    schema = definitions.pop(made["$ref"].rpartition("/")[2])
    schema.pop("title")
    return {**schema, "$defs": definitions} if definitions else schema


def _describe(schema: Schema) -> None:
    if "description" in schema:
        schema["description"] = plain(schema["description"])
    for name, field in schema.get("properties", {}).items():
        if name in FIELDS:
            field.setdefault("description", FIELDS[name].meaning)
    for pattern in _within(schema, "pattern"):
        # JSON Schema's patterns are those of JavaScript, where "$" is the end of the text.
        pattern["pattern"] = pattern["pattern"].replace(r"\Z", "$")


def plain(docstring: str) -> str:
    """Return a docstring as one line of Markdown for each paragraph."""
    paragraphs = docstring.replace("``", "`").split("\n\n")
    return "\n\n".join(" ".join(each.split()) for each in paragraphs)


def _within(schema: Any, key: str) -> Iterator[Schema]:
    """Yield all parts of a schema that have this key."""
    if isinstance(schema, dict):
        if isinstance(schema.get(key), str):
            yield schema
        for each in schema.values():
            yield from _within(each, key)
    elif isinstance(schema, list):
        for each in schema:
            yield from _within(each, key)
