"""JSON Schemas (2020-12) of all bodies, made from the message classes."""

from collections.abc import Mapping
from typing import Any

from checkout.described import PAYMENT
from checkout.message_registry import COMMANDS
from checkout.messages import Answer, Command
from messaging.envelope import ReplyError
from scripts.contract.events import event_schemas
from scripts.contract.making import Schema, head, schema_of, text, whole

MESSAGE = "01930f2c-6a51-7c0e-9f3d-2b4a6c8e0f12"


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
    """Return the schema of a reply's body, which has either a result or an error."""
    result, error = schema_of(answer), schema_of(ReplyError)
    definitions = result.pop("$defs", {}) | {"Error": error, answer.__name__: result}
    return {
        **head(reply_name(type)),
        "description": f"The reply to `{type}`.",
        "oneOf": [
            _closed({"ok": _ok(True), "result": _part(answer.__name__, "The result of the command.")}),
            _closed({"ok": _ok(False), "error": _part("Error", "The reason why the command failed.")}),
        ],
        "$defs": dict(sorted(definitions.items())),
    }


def _headers() -> Schema:
    """Return the schema of the headers in the contract. Other headers are passed on unread."""
    return {
        **head("headers"),
        "description": "The headers of a message. Headers that are not named here are passed on.",
        "type": "object",
        "properties": {
            "deadline": whole("Epoch milliseconds: the asker's patience ends.", 1795944600000),
            "traceparent": text(
                "W3C Trace Context.", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
            ),
            "schema-version": whole("The first number of the version.", 1),
            "causation-id": text("The id of the message that caused this one.", MESSAGE),
            "subject": text("The reference of the payment.", PAYMENT, maxLength=100),
            "sealed": text("A secret for one later participant: pass it on unread.", "gAAAAABn"),
            "proof": text("Shows that a program with the secret key wrote the message.", "v1.q3v7mKx9"),
        },
    }


def _ok(value: bool) -> Schema:
    return {"const": value, "description": "True if the command was carried out.", "examples": [value]}


def _part(name: str, description: str) -> Schema:
    return {"$ref": f"#/$defs/{name}", "description": description}


def _closed(properties: Schema) -> Schema:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }
