"""Write the types and methods of the Python client: ``python -m scripts.clients.python``."""

import json
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

from scripts.clients.methods import Method, Schema, capitalised, document, methods_of, name_in, snake

FOLDER = Path(__file__).parents[2] / "clients/python/payments_gateway_client"
PLAIN = {"string": "str", "integer": "int", "boolean": "bool", "number": "float", "null": "None"}
MADE = "# Made by python -m scripts.clients.python from docs/openapi.yaml. Do not edit.\n"
WIDTH = 108


def files() -> dict[Path, str]:
    """Return the text of each generated file."""
    read = document()
    texts = {FOLDER / "models.py": _models(read), FOLDER / "client.py": _clients(read)}
    return {path: _formatted("\n".join(lines)) for path, lines in texts.items()}


def _formatted(text: str) -> str:
    command = [sys.executable, "-m", "ruff", "format", "--line-length", "110", "-"]
    return subprocess.run(command, input=MADE + text, capture_output=True, text=True, check=True).stdout


def _type_of(schema: Schema) -> str:
    """Return the annotation for a schema."""
    if "$ref" in schema:
        return name_in(schema)
    if "const" in schema:
        return f"Literal[{json.dumps(schema['const'])}]"
    if "enum" in schema:
        return f"Literal[{', '.join(json.dumps(each) for each in schema['enum'])}]"
    if parts := schema.get("anyOf") or schema.get("oneOf"):
        return " | ".join(dict.fromkeys(_type_of(each) for each in parts))
    kind = schema.get("type")
    if isinstance(kind, list):
        return " | ".join(PLAIN[each] for each in kind)
    if kind == "array":
        return f"list[{_type_of(schema['items'])}]"
    if kind == "object":
        values = schema.get("additionalProperties")
        return f"dict[str, {_type_of(values) if isinstance(values, dict) and values else 'Any'}]"
    return PLAIN.get(str(kind), "Any")


def _models(read: Schema) -> Iterator[str]:
    yield '"""The objects of the API, as its JSON has them, and the queries of its lists."""'
    yield ""
    yield "from __future__ import annotations"
    yield ""
    yield "from typing import Any, Literal, NotRequired, TypeAlias, TypedDict"
    # Names of other types come after these types, while classes may name each other in any order.
    for name, schema in sorted(read["components"]["schemas"].items(), key=lambda each: _is_alias(each[1])):
        if _is_alias(schema):
            yield f"{name}: TypeAlias = {_type_of(schema)}"
        else:
            required = schema.get("required", [])
            fields = {field: (each, field in required) for field, each in schema["properties"].items()}
            yield from _class(name, schema.get("description", name), fields)
    for method in methods_of(read):
        if method.query:
            yield from _class(_query(method), f"The query of: {method.summary}", method.query)


def _is_alias(schema: Schema) -> bool:
    return "properties" not in schema


def _query(method: Method) -> str:
    return f"{capitalised(method.name)}Query"


def _class(name: str, told: str, fields: dict[str, tuple[Schema, bool]] | Schema) -> Iterator[str]:
    yield f"class {name}(TypedDict):"
    yield from _docstring(told)
    for field, (schema, is_required) in fields.items():
        kind = _type_of(schema)
        yield f"    {field}: {kind}" if is_required else f"    {field}: NotRequired[{kind}]"


def _docstring(text: str, indent: str = "    ") -> Iterator[str]:
    sentence = " ".join(text.split()).rstrip(".")
    yield from textwrap.wrap(
        f'"""{sentence}."""', WIDTH, initial_indent=indent, subsequent_indent=indent, break_long_words=False
    )


def _clients(read: Schema) -> Iterator[str]:
    yield '"""The methods of the API, for programs that wait and for those with an event loop."""'
    yield ""
    yield "from collections.abc import AsyncIterator, Iterator"
    yield "from typing import Unpack"
    yield ""
    yield "from payments_gateway_client import models"
    yield "from payments_gateway_client.transport import AsyncTransport, Call, Transport, quoted"
    yield f"API_VERSION = {json.dumps(read['info']['version'])}"
    for name, transport, told in (
        ("Client", "Transport", "A client that waits for each answer. Close it, or use it in ``with``."),
        (
            "AsyncClient",
            "AsyncTransport",
            "A client for an event loop. Close it, or use it in ``async with``.",
        ),
    ):
        is_async = name == "AsyncClient"
        yield f"class {name}({transport}):"
        yield f'    """{told}"""'
        yield "    _api_version = API_VERSION"
        for method in methods_of(read):
            yield from _method(method, is_async=is_async)
            if method.item:
                yield from _pages(method, is_async=is_async)


def _method(method: Method, *, is_async: bool) -> Iterator[str]:
    define, wait = ("async def", "await ") if is_async else ("def", "")
    arguments, answer = ", ".join(_arguments(method)), f"models.{method.answer}"
    yield f"    {define} {snake(method.name)}({arguments}) -> {answer}:"
    yield from _docstring(method.summary, "        ")
    yield f"        return {wait}self.send(Call[{answer}]({_call(method)}))"


def _pages(method: Method, *, is_async: bool) -> Iterator[str]:
    name = snake(method.name).replace("list_", "iterate_", 1)
    kind = "AsyncIterator" if is_async else "Iterator"
    arguments = [each for each in _arguments(method) if not each.startswith("prefer")]
    yield f"    def {name}({', '.join(arguments)}) -> {kind}[models.{method.item}]:"
    yield from _docstring(f"Iterate over the objects of all pages of ``{snake(method.name)}``", "        ")
    call = _call(method).replace(", prefer=prefer", "")
    yield f"        return self.pages(Call[models.{method.answer}]({call}))"


def _arguments(method: Method) -> list[str]:
    positional = ["self"]
    if method.has_reference:
        positional.append("reference: str")
    if method.body:
        positional.append(f"body: models.{method.body}{'' if method.is_body_required else ' | None = None'}")
    named = ["idempotency_key: str"] if method.has_key else []
    named += ["prefer: str | None = None"] if method.has_prefer else []
    if method.query:
        return [*positional, *named, f"**query: Unpack[models.{_query(method)}]"]
    return [*positional, *(["*", *named] if named else [])]


def _call(method: Method) -> str:
    path = json.dumps(method.path)
    if method.has_reference:
        path = f"f{path.replace('{reference}', '{quoted(reference)}')}"
    given = [json.dumps(method.verb), path]
    given += ["query=query"] if method.query else []
    if method.body:
        given += ["body=body" if method.is_body_required else "body=body or {}"]
    given += ["idempotency_key=idempotency_key"] if method.has_key else []
    given += ["prefer=prefer"] if method.has_prefer else []
    return ", ".join(given)


def main() -> None:
    for path, text in files().items():
        path.write_text(text)


if __name__ == "__main__":
    main()
