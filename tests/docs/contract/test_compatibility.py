"""Programs of this version and of each released one can read each other's messages."""

import copy
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from scripts.asyncapi import FROZEN
from scripts.contract.compatibility import faults
from scripts.contract.examples import example_of
from scripts.contract.schemas import schemas

NOW = schemas()
RELEASED = [
    (path.stem, json.loads(path.read_text()), f"{path.stem} of {path.parent.name}")
    for path in sorted(FROZEN.glob("*/*.json"))
]
Change = Callable[[dict[str, Any]], object]


def test_a_released_message_is_compatible_both_ways() -> None:
    removed = [told for name, _, told in RELEASED if name not in NOW]
    assert removed == [], "a message of a released version may not be removed"
    assert {told: found for name, old, told in RELEASED if (found := faults(old, NOW[name]))} == {}


def test_examples_of_a_released_message_are_read_both_ways() -> None:
    for name, old, _ in RELEASED:
        Draft202012Validator(NOW[name]).validate(example_of(old))
        Draft202012Validator(old).validate(example_of(NOW[name]))


def changed(name: str, change: Change) -> list[str]:
    later = copy.deepcopy(NOW[name])
    change(later)
    return faults(NOW[name], later)


def parts(schema: Any) -> Iterator[dict[str, Any]]:
    if isinstance(schema, dict):
        yield schema
        schema = list(schema.values())
    for each in schema if isinstance(schema, list) else ():
        yield from parts(each)


def having(schema: Any, key: str) -> dict[str, Any]:
    return next(each for each in parts(schema) if key in each)


def without_first(schema: dict[str, Any], key: str) -> None:
    values = having(schema, key)[key]
    del values[0]


@pytest.mark.parametrize(
    ("name", "change", "word"),
    [
        ("notifications.send_receipt", lambda s: s["properties"].pop("locale"), "removed"),
        ("risk.assess", lambda s: (s["properties"].pop("minor"), s["required"].remove("minor")), "removed"),
        ("orders.reserve", lambda s: s["$defs"]["OrderLine"]["properties"].pop("sku"), "removed"),
        ("risk.assess", lambda s: s["required"].append("email"), "required by the reader"),
        (
            "orders.reserve",
            lambda s: (s["properties"].update(shop={"type": "string"}), s["required"].append("shop")),
            "required by the reader",
        ),
        ("risk.assess.reply", lambda s: without_first(s, "enum"), "knows only some values"),
        ("risk.assess.reply", lambda s: having(s, "enum")["enum"].append("ask"), "knows only some values"),
        ("risk.assess", lambda s: s["required"].remove("minor"), "required by the reader"),
        ("risk.assess", lambda s: s["properties"]["minor"].update(type="string"), "is no"),
        ("risk.assess", lambda s: s["properties"]["minor"].update(minimum=1), "minimum"),
        ("risk.assess", lambda s: s["properties"]["email"].update(maxLength=9), "maxLength"),
        ("risk.assess", lambda s: s["properties"]["email"].update(pattern="@"), "pattern"),
        ("risk.assess", lambda s: s.update(additionalProperties=False), "refuses unknown fields"),
        ("ledger.post", lambda s: s.pop("additionalProperties"), "refuses unknown fields"),
        ("ledger.post", lambda s: s["properties"].update(shop={"type": "string"}), "does not know it"),
        ("risk.assess.reply", lambda s: s["oneOf"].pop(), "ok"),
        ("payments.check_claim", lambda s: s["properties"]["minor"]["anyOf"].pop(), "is no integer"),
    ],
)
def test_a_change_that_breaks_a_program_is_noticed(name: str, change: Change, word: str) -> None:
    found = changed(name, change)
    assert any(word in each for each in found), found


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("risk.assess", lambda s: s["properties"].update(device={"type": "string", "default": ""})),
        ("orders.reserve", lambda s: s["properties"].update(gift={"type": "boolean", "default": False})),
        ("ledger.post", lambda s: s["properties"]["kind"].update(description="Another word.")),
        ("ledger.post", lambda s: s.update(title="Another", examples=[1])),
    ],
)
def test_a_change_that_breaks_none_is_none(name: str, change: Change) -> None:
    assert changed(name, change) == []


def test_a_rule_that_is_not_understood_is_not_passed_over() -> None:
    with pytest.raises(ValueError, match="multipleOf"):
        changed("risk.assess", lambda s: s["properties"]["minor"].update(multipleOf=5))
