"""The AsyncAPI document as a page for people, in Markdown."""

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from scripts.contract.making import Schema

HEAD = """# Message reference

This page is for authors of services and listeners: every command, answer and event with its fields.
[messages.md](messages.md) describes the rest of the contract, and
[trust.md](trust.md#who-may-say-what) says who may send what. The same facts for programs, with an example
of each message, are in [asyncapi.yaml](asyncapi.yaml) (AsyncAPI 3.0) and in [schemas/](schemas) (JSON
Schema 2020-12). `python -m scripts.asyncapi` makes all of them from the classes.

Fields in brackets may be left out. *Open* messages may get more optional fields later: ignore fields that you
do not know. In all others an unknown field is an error.
"""
# The fields of all events are listed before the objects, and those of each kind of event after its own
# heading.
OBJECT = "data.object."
LISTED_BELOW = (OBJECT, "data.operations[].")


def page(document: Mapping[str, Any], schemas: Mapping[str, Schema]) -> str:
    """Return the text of the page."""
    lines = [HEAD]
    channels = document["channels"].items()
    commands = [channel for name, channel in channels if name not in ("replies", "dead", "events")]
    for channel in commands:
        lines += _commands(channel, document, schemas)
    lines += _fields_of_commands([type for channel in commands for type in channel["messages"]], schemas)
    lines += _answers(schemas)
    lines += _events(document, schemas)
    return "\n".join(lines)


def _commands(
    channel: Mapping[str, Any], document: Mapping[str, Any], schemas: Mapping[str, Schema]
) -> Iterator[str]:
    exchange = channel["bindings"]["amqp"]["exchange"]["name"]
    yield f"## {channel['title']}\n"
    yield f"Exchange `{exchange}`, routing key `{channel['address']}`.{_errors(channel, document)}\n"
    yield "| command | fields | answer | if asked again |\n|---|---|---|---|"
    for type in channel["messages"]:
        yield _command(type, document, schemas)
    yield ""


def _errors(channel: Mapping[str, Any], document: Mapping[str, Any]) -> str:
    operations = (document["operations"][f"receive {type}"] for type in channel["messages"])
    codes = dict.fromkeys(code for each in operations for code in each.get("x-errors", ()))
    return f" Errors: {', '.join(f'`{code}`' for code in codes)}." if codes else ""


def _command(type: str, document: Mapping[str, Any], schemas: Mapping[str, Schema]) -> str:
    schema, operation = schemas[type], document["operations"][f"receive {type}"]
    does = " ".join(document["components"]["messages"][type]["summary"].split())
    openness = "" if schema.get("additionalProperties") is False else " Open."
    names = ", ".join(each.shown() for each in _fields_in(schema, schema) if "[]" not in each.name)
    answer = _answer(type, schemas) if "reply" in operation else "none"
    again = operation["description"].removeprefix("If it is asked again: ").removesuffix(".")
    return f"| [`{type}`](schemas/{type}.json): {does}{openness} | {names} | {answer} | {again} |"


def _answer(type: str, schemas: Mapping[str, Schema]) -> str:
    return f"[`{_name_of_result(schemas[f'{type}.reply'])}`](schemas/{type}.reply.json)"


def _name_of_result(reply: Schema) -> str:
    reference: str = reply["oneOf"][0]["properties"]["result"]["$ref"]
    return reference.rpartition("/")[2]


def _fields_of_commands(types: Iterable[str], schemas: Mapping[str, Schema]) -> Iterator[str]:
    """Yield the fields of all commands. A name means the same in each command."""
    fields = {each.name: each for type in types for each in _fields_in(schemas[type], schemas[type])}
    yield "## Fields of commands\n"
    yield "| field | type | meaning |\n|---|---|---|"
    for name, each in sorted(fields.items()):
        yield f"| `{name}` | {each.type} | {each.meaning} |"
    yield ""


def _answers(schemas: Mapping[str, Schema]) -> Iterator[str]:
    """Yield the section about answers, the `result` of replies. Several commands may have the same answer."""
    replies = {_name_of_result(each): each for name, each in schemas.items() if name.endswith(".reply")}
    yield "## Answers\n\nThe `result` of a reply, if nothing went wrong. `Done` has no fields.\n"
    yield "| answer | field | type | meaning |\n|---|---|---|---|"
    for name, reply in replies.items():
        for each in _fields_in(reply["$defs"][name], reply):
            yield f"| `{name}` | {each.shown()} | {each.type} | {each.meaning} |"
    yield ""


def _events(document: Mapping[str, Any], schemas: Mapping[str, Schema]) -> Iterator[str]:
    channel, messages = document["channels"]["events"], document["components"]["messages"]
    exchange = channel["bindings"]["amqp"]["exchange"]["name"]
    yield f"## Events\n\nExchange `{exchange}`, routing key `<type>.<merchant>`. All events are open."
    yield "[The life of a payment](life-cycle.md#events) says when each occurs. All have these fields:\n"
    kinds: dict[str, list[str]] = {}
    for type in channel["messages"]:
        kinds.setdefault(messages[type]["payload"]["$ref"], []).append(type)
    names = {each: each.removeprefix("./schemas/").removesuffix(".json") for each in kinds}
    payment, operation = (
        [each for each in _fields_in(schemas[name], schemas[name]) if not each.name.startswith(LISTED_BELOW)]
        for name in names.values()
    )
    yield from _table_of([each for each in payment if each in operation])
    yield "\nEvents of payments also have these:\n"
    yield from _table_of([each for each in payment if each not in operation])
    yield "\n| events | `data.object` is |\n|---|---|"
    for reference, types in kinds.items():
        kind = names[reference].removeprefix("event.")
        yield f"| {', '.join(f'`{type}`' for type in types)} | [{kind}](schemas/{names[reference]}.json) |"
    yield "\nFields of `data.object`:\n"
    yield from _fields_of_objects({name.removeprefix("event."): schemas[name] for name in names.values()})


def _table_of(fields: Iterable["_Field"]) -> Iterator[str]:
    yield "| field | type | meaning |\n|---|---|---|"
    for each in fields:
        yield f"| {each.shown()} | {each.type} | {each.meaning} |"


def _fields_of_objects(kinds: Mapping[str, Schema]) -> Iterator[str]:
    """Yield the table of the fields of all kinds of objects: each field once, with the kinds that have it."""
    owners: dict[tuple[str, str, str], list[str]] = {}
    for kind, schema in kinds.items():
        for each in _fields_in(schema, schema):
            if each.name.startswith(OBJECT):
                row = (each.shown(before=OBJECT), each.type, each.meaning)
                owners.setdefault(row, []).append(kind)
    yield "| field | of | type | meaning |\n|---|---|---|---|"
    for (name, type, meaning), of in owners.items():
        yield f"| {name} | {'all' if len(of) == len(kinds) else ', '.join(of)} | {type} | {meaning} |"
    yield ""


class _Field(NamedTuple):
    """A field of a schema, with the names of the objects that have it."""

    name: str
    type: str
    meaning: str
    is_required: bool

    def shown(self, before: str = "") -> str:
        name = f"`{self.name.removeprefix(before)}`"
        return name if self.is_required else f"[{name}]"


def _fields_in(schema: Schema, root: Schema, before: str = "") -> Iterator[_Field]:
    schema = _resolved(schema, root)
    required = schema.get("required", ())
    for name, field in schema.get("properties", {}).items():
        yield _Field(f"{before}{name}", _type(field, root), field.get("description", ""), name in required)
        inner = _resolved(field, root)
        if "properties" in inner:
            yield from _fields_in(inner, root, f"{before}{name}.")
        yield from _fields_of_alternatives(inner, root, f"{before}{name}.")
        if "items" in inner:
            yield from _fields_in(inner["items"], root, f"{before}{name}[].")


def _fields_of_alternatives(field: Schema, root: Schema, before: str) -> Iterator[_Field]:
    """Yield the fields of all classes that an object may have; the field that names the class comes once."""
    parts = [each for part in field.get("anyOf", ()) for each in _fields_in(part, root, before)]
    if discriminator := field.get("discriminator"):
        tag = f"{before}{discriminator['propertyName']}"
        words = ", ".join(f"`{word}`" for word in discriminator["mapping"])
        meaning = next(each.meaning for each in parts if each.name == tag)
        yield _Field(tag, words, meaning, is_required=True)
        parts = [each for each in parts if each.name != tag]
    yield from parts


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
