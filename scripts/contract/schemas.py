"""JSON Schemas (2020-12) of all bodies, made from the message classes."""

from collections.abc import Mapping
from typing import Any

from checkout.message_registry import COMMANDS
from checkout.messages import Answer, Command
from messaging.envelope import ReplyError
from scripts.contract.events import event_schemas
from scripts.contract.making import Schema, head, schema_of


def schemas() -> Mapping[str, Schema]:
    """Return the schemas by the names of their files, without the extension."""
    return {
        "headers": _headers(),
        **event_schemas(),
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
    return {**head(command.to), **schema_of(command)}


def _of_reply(type: str, answer: type[Answer]) -> Schema:
    """Return the schema of a reply's body: it has either a result or an error."""
    result, error = schema_of(answer), schema_of(ReplyError)
    definitions = result.pop("$defs", {}) | {"Error": error, answer.__name__: result}
    error["properties"]["code"]["description"] = "A word for programs."
    error["properties"]["message"]["description"] = "A text for people."
    error["properties"]["retryable"]["description"] = "True if the same command may succeed later."
    return {
        **head(reply_name(type)),
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
        **head("headers"),
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


def _closed(properties: Schema) -> Schema:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }
