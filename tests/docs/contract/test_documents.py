"""The files of the message contract are made from the classes, valid, and complete."""

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml
from jsonschema import Draft7Validator, Draft202012Validator

from checkout.message_registry import COMMANDS
from checkout.participants import participants
from messaging.access.participants import service_of
from scripts.asyncapi import DOCS, files, superfluous
from scripts.contract.events import DATA, schema_name
from scripts.contract.examples import example_of
from scripts.contract.schemas import schemas
from scripts.contract.words import FIELDS
from tests.support.javascript import installed

SPECS = Path(__file__).parent / "asyncapi_specs"
DOCUMENT: dict[str, Any] = yaml.load((DOCS / "asyncapi.yaml").read_text(), yaml.CSafeLoader)
SCHEMAS = schemas()
FILES = files()


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_every_file_is_as_it_is_made_now(path: Path) -> None:
    assert path.exists(), "run: python -m scripts.asyncapi"
    assert path.read_text() == FILES[path], "run: python -m scripts.asyncapi"


def test_there_is_no_schema_of_a_message_that_does_not_exist() -> None:
    assert superfluous() == []


@pytest.fixture(scope="module")
def specification(node: str) -> Draft7Validator:
    """Return the JSON Schema of AsyncAPI 3.0, from the project that publishes AsyncAPI."""
    folder = installed(SPECS, "@asyncapi/specs") / "node_modules" / "@asyncapi" / "specs" / "schemas"
    return Draft7Validator(json.loads((folder / "3.0.0-without-$id.json").read_text()))


@pytest.mark.node
def test_the_document_is_asyncapi(specification: Draft7Validator) -> None:
    assert [f"{each.json_path}: {each.message[:200]}" for each in specification.iter_errors(DOCUMENT)] == []


@pytest.mark.node
@pytest.mark.parametrize(
    "breaking",
    [
        lambda document: document.pop("info"),
        lambda document: document["channels"]["replies"].update(adress="x"),
        lambda document: next(iter(document["operations"].values())).update(action="publish"),
        lambda document: next(iter(document["components"]["messages"].values())).update(payload=1),
    ],
)
def test_a_document_that_is_not_would_be_noticed(specification: Draft7Validator, breaking: Any) -> None:
    document = copy.deepcopy(DOCUMENT)
    breaking(document)
    assert list(specification.iter_errors(document))


def references(part: object) -> Iterator[str]:
    if isinstance(part, dict):
        if isinstance(part.get("$ref"), str):
            yield part["$ref"]
        for each in part.values():
            yield from references(each)
    elif isinstance(part, list):
        for each in part:
            yield from references(each)


def test_every_reference_leads_somewhere() -> None:
    found = set(references(DOCUMENT))
    assert len(found) > 50
    for reference in found:
        path, _, fragment = reference.partition("#")
        part = json.loads((DOCS / path).read_text()) if path else DOCUMENT
        for key in fragment.removeprefix("/").split("/") if fragment else ():
            part = part[key]
        assert part


def test_each_command_is_in_the_document_with_its_senders_and_its_reply() -> None:
    for type, command in COMMANDS.items():
        operation = DOCUMENT["operations"][f"receive {type}"]
        assert operation["channel"]["$ref"] == f"#/channels/commands.{service_of(type)}"
        assert set(operation["x-senders"]) == {each.name for each in participants() if each.may_send(type)}
        assert ("reply" in operation) == (command.answer is not None)


@pytest.mark.parametrize("name", SCHEMAS)
def test_each_schema_is_valid_and_its_example_fits(name: str) -> None:
    Draft202012Validator.check_schema(SCHEMAS[name])
    example = example_of(SCHEMAS[name])
    assert list(Draft202012Validator(SCHEMAS[name]).iter_errors(example)) == []


@pytest.mark.parametrize("name", DATA)
def test_the_example_of_an_event_is_about_one_object(name: str) -> None:
    example = example_of(SCHEMAS[name])
    thing = example["data"]["object"]
    assert schema_name(example["type"]) == name
    assert example["type"].endswith(f".{thing['state']}")
    assert thing["id"].startswith(example["operation"] or example["payment"])
    assert example["changes"]["state"] != thing["state"]


@pytest.mark.parametrize("type", COMMANDS)
def test_our_services_read_the_example_of_a_command(type: str) -> None:
    msgspec.convert(example_of(SCHEMAS[type]), COMMANDS[type])


@pytest.mark.parametrize("type", [type for type, each in COMMANDS.items() if each.answer])
def test_our_services_read_the_example_of_an_answer(type: str) -> None:
    COMMANDS[type].read_answer(example_of(SCHEMAS[f"{type}.reply"])["result"])


def fields(schema: object) -> Iterator[tuple[str, dict[str, Any]]]:
    if isinstance(schema, dict):
        yield from schema.get("properties", {}).items()
        for each in schema.values():
            yield from fields(each)
    elif isinstance(schema, list):
        for each in schema:
            yield from fields(each)


def test_every_field_has_a_meaning_and_an_example() -> None:
    used = set()
    for name, schema in SCHEMAS.items():
        for field, described in fields(schema):
            used.add(field)
            assert "description" in described, (name, field)
            assert "examples" in described or is_an_object(described), (name, field)
    assert FIELDS.keys() <= used, "there is no such field any more"


def is_an_object(schema: dict[str, Any]) -> bool:
    """Return True for a field that holds an object, whose fields have examples of their own."""
    return "$ref" in schema or any("$ref" in each for each in schema.get("anyOf", ()))


def test_each_parameter_of_an_address_has_a_meaning_and_an_example() -> None:
    parameters = [
        parameter
        for channel in DOCUMENT["channels"].values()
        for parameter in channel.get("parameters", {}).values()
    ]
    assert len(parameters) == 2
    assert all(each["description"] and each["examples"] for each in parameters)
