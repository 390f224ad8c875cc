"""The AsyncAPI document as a page for people, in Markdown."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from scripts.contract.making import Schema

HEAD = """# Message reference

Every message of the gateway, with its fields, its answer and an example. [messages.md](messages.md) describes
the rest of the contract: the envelope, queues, senders, proofs, delivery. The same facts for programs are in
[asyncapi.yaml](asyncapi.yaml) (AsyncAPI 3.0) and in [schemas/](schemas) (JSON Schema 2020-12).
`python -m scripts.asyncapi` makes all of them from the classes.

*Open* messages may get more optional fields later: ignore fields that you do not know. In all others an
unknown field is an error.
"""


def page(document: Mapping[str, Any], schemas: Mapping[str, Schema]) -> str:
    """Return the page."""
    lines = [HEAD]
    for name, channel in document["channels"].items():
        lines += list(_channel(name, channel, document, schemas))
    return "\n".join(lines)


def _channel(
    name: str, channel: Mapping[str, Any], document: Mapping[str, Any], schemas: Mapping[str, Schema]
) -> Iterator[str]:
    if name == "events":
        yield from _events(channel, document, schemas)
    if name in ("replies", "dead", "events"):
        return
    exchange = channel["bindings"]["amqp"]["exchange"]["name"]
    yield f"## {channel['title']}\n"
    yield f"Exchange `{exchange}`, routing key `{channel['address']}`.\n"
    for type in channel["messages"]:
        yield from _message(type, document, schemas)


def _events(
    channel: Mapping[str, Any], document: Mapping[str, Any], schemas: Mapping[str, Schema]
) -> Iterator[str]:
    exchange = channel["bindings"]["amqp"]["exchange"]["name"]
    yield f"## Events\n\nExchange `{exchange}`, routing key `<type>.<merchant>`. All events are open.\n"
    messages = document["components"]["messages"]
    kinds: dict[str, list[str]] = {}
    for type in channel["messages"]:
        kinds.setdefault(messages[type]["payload"]["$ref"], []).append(type)
    for reference, types in kinds.items():
        name = reference.removeprefix("./schemas/").removesuffix(".json")
        yield f"### Events of {name.removeprefix('event.')}s ([schema](schemas/{name}.json))\n"
        yield "| type | meaning |\n|---|---|"
        yield "\n".join(f"| `{type}` | {messages[type]['summary']} |" for type in types) + "\n"
        yield from _fields(schemas[name], schemas[name])
        [example] = (each for type in types for each in messages[type].get("examples", ()))
        yield from _example(example["payload"])


def _message(type: str, document: Mapping[str, Any], schemas: Mapping[str, Schema]) -> Iterator[str]:
    message = document["components"]["messages"][type]
    yield f"### {type}\n"
    if "summary" in message:
        yield f"{message['summary']}\n"
    schema = schemas[message["payload"]["$ref"].removeprefix("./schemas/").removesuffix(".json")]
    operation = document["operations"].get(f"receive {type}", {})
    if operation:
        senders = ", ".join(f"`{each}`" for each in operation["x-senders"])
        openness = "" if schema.get("additionalProperties") is False else " Open."
        yield f"Sent by {senders}.{openness} {operation['description']}\n"
    yield from _fields(schema, schema)
    yield from _example(message["examples"][0]["payload"])
    if "reply" in operation:
        reply = f"{type}.reply"
        result = schemas[reply]["oneOf"][0]["properties"]["result"]
        yield f"**Answer**, the `result` of the reply ([schema](schemas/{reply}.json)):\n"
        yield from _fields(result, schemas[reply])
        codes = ", ".join(f"`{code}`" for code in operation["x-errors"])
        yield f"Errors: {codes}.\n"


def _fields(schema: Schema, root: Schema) -> Iterator[str]:
    fields = list(_rows(schema, root, ""))
    if not fields:
        yield "No fields.\n"
        return
    yield "| field | type | | meaning |\n|---|---|---|---|"
    yield "\n".join(fields) + "\n"


def _rows(schema: Schema, root: Schema, before: str) -> Iterator[str]:
    schema = _resolved(schema, root)
    required = schema.get("required", ())
    for name, field in schema.get("properties", {}).items():
        need = "required" if name in required else ""
        meaning = field.get("description", "")
        yield f"| `{before}{name}` | {_type(field, root)} | {need} | {meaning} |"
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
