"""The OpenAPI document as a page in Markdown, for people and for the search of the documentation."""

import json
from collections.abc import Collection, Iterator, Mapping
from typing import Any, TypeAlias

Schema: TypeAlias = Mapping[str, Any]

HEAD = """# API reference

This page is for programmers of merchants: every operation of the API, and every object with its fields.
[api.md](api.md) has the rules that these do not tell, and [errors.md](errors.md) says what to do about each
problem. A gateway shows the same at `/api/reference/`, with a search. For programs it is in
[openapi.yaml](openapi.yaml). `python -m scripts.openapi` makes all of them from the code.

Parameters and fields in brackets may be left out. Any request may be answered with these problems:
{problems}.
"""
ROWS = "| {name} | type | meaning | example |\n|---|---|---|---|"
# Headers that each operation has.
EVERYWHERE = {"Api-Version"}


def page(document: Schema) -> str:
    """Return the page."""
    return "\n".join(_lines(document)) + "\n"


def _lines(document: Schema) -> Iterator[str]:
    operations = [
        (f"{method.upper()} {path}", item, operation)
        for path, item in document["paths"].items()
        for method, operation in item.items()
        if method != "parameters"
    ]
    everywhere = _common([_codes(operation) for _, _, operation in operations])
    yield HEAD.format(problems=_words(everywhere))
    for tag in document["tags"]:
        of_tag = [each for each in operations if tag["name"] in each[2]["tags"]]
        if of_tag:
            yield f"## {_title(tag['name'])}\n\n{tag['description']}\n"
        for address, item, operation in of_tag:
            yield from _operation(address, item, operation, everywhere)
    yield "## Objects\n"
    for name, schema in document["components"]["schemas"].items():
        if "properties" in schema or "enum" in schema:
            yield from _object(name, schema)


def _title(tag: str) -> str:
    return tag.replace("-", " ").capitalize()


def _codes(operation: Schema) -> list[str]:
    """Return the codes of the problems with which an operation answers."""
    return [
        code
        for status, response in operation["responses"].items()
        if status >= "4"
        for content in response["content"].values()
        for code in content["examples"]
    ]


def _common(lists: list[list[str]]) -> list[str]:
    return [code for code in lists[0] if all(code in others for others in lists)]


def _operation(address: str, item: Schema, operation: Schema, everywhere: Collection[str]) -> Iterator[str]:
    yield f"### {operation['operationId']}\n\n`{address}`\n"
    yield f"{operation['summary']}. {operation['description']}\n"
    parameters = [*item.get("parameters", ()), *operation["parameters"]]
    shown = [each for each in parameters if each["name"] not in EVERYWHERE]
    if shown:
        yield ROWS.format(name="parameter")
        for each in shown:
            name = f"`{each['name']}`" if each["required"] else f"[`{each['name']}`]"
            yield _row(f"{name} ({each['in']})", each["schema"], each["description"], each["example"])
        yield ""
    if body := operation.get("requestBody"):
        yield f"Body: {_type(body['content']['application/json']['schema'])}.\n"
    for status, response in operation["responses"].items():
        if status < "4":
            [content] = response["content"].values()
            yield f"- {status}: {_type(content['schema'])}. {response['description']}"
    own = [code for code in _codes(operation) if code not in everywhere]
    yield f"- Problems: {_words(own)}.\n" if own else ""


def _object(name: str, schema: Schema) -> Iterator[str]:
    yield f"### {name}\n"
    if "description" in schema:
        yield f"{schema['description']}\n"
    if "enum" in schema:
        yield f"One of {_words(schema['enum'])}.\n"
    elif schema["properties"]:
        yield ROWS.format(name="field")
        required = schema.get("required", ())
        for field, each in schema["properties"].items():
            shown = f"`{field}`" if field in required else f"[`{field}`]"
            yield _row(shown, each, each["description"], *each.get("examples", ()))
        yield ""


def _row(name: str, schema: Schema, meaning: str, *examples: Any) -> str:
    shown = f"`{json.dumps(examples[0], ensure_ascii=False)}`" if examples else ""
    cells = (name, _type(schema), " ".join(meaning.split()), shown)
    return "| " + " | ".join(each.replace("|", "\\|") for each in cells) + " |"


def _type(schema: Schema) -> str:
    """Return the type of a value in words, with links to objects."""
    match schema:
        case {"$ref": str(reference)}:
            name = reference.rpartition("/")[2]
            return f"[{name}](#{name.lower()})"
        case {"const": value}:
            return f"`{json.dumps(value)}`"
        case {"enum": list(words)}:
            return _words(words)
        case {"anyOf": list(parts)}:
            return " or ".join(map(_type, parts))
        case {"type": "array", "items": items}:
            return f"list of {_type(items)}"
        case {"type": list(types)}:
            return " or ".join(types)
        case {"type": "string", "format": "date-time"}:
            return "time"
        case {"type": "string", "maxLength": most}:
            return f"string, at most {most}"
    return str(schema["type"])


def _words(words: list[str]) -> str:
    return ", ".join(f"`{word}`" for word in words)
