"""The AsyncAPI document as a page for people, in Markdown."""

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from scripts.contract.making import Schema

HEAD = """# Message reference

This page is for authors of services and listeners: every message with its fields and an example.
[messages.md](messages.md) describes the rest of the contract. The same facts for programs are in
[asyncapi.yaml](asyncapi.yaml) (AsyncAPI 3.0) and in [schemas/](schemas) (JSON Schema 2020-12).
`python -m scripts.asyncapi` makes all of them from the classes.

Fields in brackets may be left out. *Open* messages may get more optional fields later: ignore fields that you
do not know. In all others an unknown field is an error.
"""


# The fields that the schemas of all events have in common, above their object.
ENVELOPE = "data.object"


def page(document: Mapping[str, Any], schemas: Mapping[str, Schema]) -> str:
    """Return the page."""
    lines = [HEAD]
    for name, channel in document["channels"].items():
        if name not in ("replies", "dead", "events"):
            lines += _commands(channel, document, schemas)
    lines += _answers(schemas)
    lines += _events(document, schemas)
    return "\n".join(lines)


def _commands(
    channel: Mapping[str, Any], document: Mapping[str, Any], schemas: Mapping[str, Schema]
) -> Iterator[str]:
    exchange = channel["bindings"]["amqp"]["exchange"]["name"]
    yield f"## {channel['title']}\n"
    yield f"Exchange `{exchange}`, routing key `{channel['address']}`.{_errors(channel, document)}\n"
    for type in channel["messages"]:
        yield from _command(type, document, schemas)


def _errors(channel: Mapping[str, Any], document: Mapping[str, Any]) -> str:
    operations = (document["operations"].get(f"receive {type}", {}) for type in channel["messages"])
    codes = dict.fromkeys(code for each in operations for code in each.get("x-errors", ()))
    return f" Errors: {', '.join(f'`{code}`' for code in codes)}." if codes else ""


def _command(type: str, document: Mapping[str, Any], schemas: Mapping[str, Schema]) -> Iterator[str]:
    message = document["components"]["messages"][type]
    yield f"### {type}\n"
    if "summary" in message:
        yield f"{message['summary']}\n"
    schema = schemas[message["payload"]["$ref"].removeprefix("./schemas/").removesuffix(".json")]
    operation = document["operations"].get(f"receive {type}", {})
    if operation:
        senders = ", ".join(f"`{each}`" for each in operation["x-senders"])
        openness = "" if schema.get("additionalProperties") is False else " Open."
        answer = f" Answer: {_answer(type, schemas)}." if "reply" in operation else ""
        yield f"Sent by {senders}.{openness} {operation['description']}{answer}\n"
    yield from _fields(schema, schema)
    yield from _example(message["examples"][0]["payload"])


def _answer(type: str, schemas: Mapping[str, Schema]) -> str:
    name, reply = _name_of_result(schemas[f"{type}.reply"]), f"schemas/{type}.reply.json"
    return f"[`{name}`](#{name.lower()}) ([schema]({reply}))"


def _name_of_result(reply: Schema) -> str:
    reference: str = reply["oneOf"][0]["properties"]["result"]["$ref"]
    return reference.rpartition("/")[2]


def _answers(schemas: Mapping[str, Schema]) -> Iterator[str]:
    """Yield the section of answers, the `result` of replies, each of which is that of some commands."""
    replies = {_name_of_result(each): each for name, each in schemas.items() if name.endswith(".reply")}
    yield "## Answers\n\nThe `result` of a reply, if nothing went wrong.\n"
    for name, reply in replies.items():
        yield f"### {name}\n"
        yield from _fields(reply["$defs"][name], reply)


def _events(document: Mapping[str, Any], schemas: Mapping[str, Schema]) -> Iterator[str]:
    channel, messages = document["channels"]["events"], document["components"]["messages"]
    exchange = channel["bindings"]["amqp"]["exchange"]["name"]
    yield f"## Events\n\nExchange `{exchange}`, routing key `<type>.<merchant>`. All events are open."
    yield "[The life of a payment](life-cycle.md#events) says when each occurs. All have these fields:\n"
    kinds: dict[str, list[str]] = {}
    for type in channel["messages"]:
        kinds.setdefault(messages[type]["payload"]["$ref"], []).append(type)
    names = {each: each.removeprefix("./schemas/").removesuffix(".json") for each in kinds}
    first = schemas[next(iter(names.values()))]
    yield from _fields(first, first, lambda field: not field.startswith(f"{ENVELOPE}."))
    for reference, types in kinds.items():
        name = names[reference]
        yield f"### Events of {name.removeprefix('event.')}s ([schema](schemas/{name}.json))\n"
        yield ", ".join(f"`{type}`" for type in types) + ".\n"
        yield from _fields(schemas[name], schemas[name], lambda field: field.startswith(f"{ENVELOPE}."))
        [example] = (each for type in types for each in messages[type].get("examples", ()))
        yield from _example(example["payload"])


def _fields(
    schema: Schema, root: Schema, is_wanted: Callable[[str], bool] = lambda field: True
) -> Iterator[str]:
    fields = [row for field, row in _rows(schema, root, "") if is_wanted(field)]
    if not fields:
        yield "No fields.\n"
        return
    yield "| field | type | meaning |\n|---|---|---|"
    yield "\n".join(fields) + "\n"


def _rows(schema: Schema, root: Schema, before: str) -> Iterator[tuple[str, str]]:
    """Yield the name of each field with its row of the table."""
    schema = _resolved(schema, root)
    required = schema.get("required", ())
    for name, field in schema.get("properties", {}).items():
        shown = f"`{before}{name}`" if name in required else f"[`{before}{name}`]"
        meaning = field.get("description", "")
        yield f"{before}{name}", f"| {shown} | {_type(field, root)} | {meaning} |"
        inner = _resolved(field, root)
        if "properties" in inner:
            yield from _rows(inner, root, f"{before}{name}.")
        for part in inner.get("anyOf", ()):
            yield from _rows(part, root, f"{before}{name}.")
        if "items" in inner:
            yield from _rows(inner["items"], root, f"{before}{name}[].")


def _resolved(schema: Schema, root: Schema) -> Schema:
    return root["$defs"][schema["$ref"].rpartition("/")[2]] if "$ref" in schema else schema


def _type(field: Schema, root: Schema) -> str:
    field = _resolved(field, root)
    if "enum" in field:
        return ", ".join(f"`{word}`" for word in field["enum"])
    if "const" in field:
        return f"`{json.dumps(field['const'])}`"
    if "anyOf" in field:
        return " or ".join(_type(each, root) for each in field["anyOf"])
    if "items" in field:
        return f"list of {_type(field['items'], root)}"
    return str(field.get("type", "any"))


def _example(payload: object) -> Iterator[str]:
    yield f"```json\n{json.dumps(payload, ensure_ascii=False)}\n```\n"
