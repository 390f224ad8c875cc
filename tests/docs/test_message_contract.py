"""The tables of errors in docs/messages.md are complete, and replies are read as strictly as it says."""

import ast
import re

import pytest

from checkout.message_registry import COMMANDS
from checkout.payments.sagas import DEFINITIONS
from messaging.errors import MalformedMessage
from tests.support.program import ROOT
from tests.support.source import modules_of

CONTRACT = (ROOT / "docs" / "messages.md").read_text()
CODES = CONTRACT.partition("The codes of our own services")[2].partition("Outcomes of")[0]
ERRORS = CONTRACT.partition("What a saga does about an error")[2].partition("| in the table |")[0]
ASKED = sorted({command.to for each in DEFINITIONS.values() for command in each.questions.values()})
REPLIES = ("risk.assess", "payments.authorise", "orders.reserve", "payments.review", "payments.check_claim")


@pytest.mark.parametrize("type", ASKED)
def test_what_a_saga_does_about_an_error_is_said_of_every_command_it_asks(type: str) -> None:
    assert f"`{type}`" in ERRORS


def test_nothing_is_said_of_commands_that_no_saga_asks() -> None:
    assert set(re.findall(r"`([a-z]+\.[a-z_]+)`", ERRORS)) <= set(ASKED)


def test_every_code_of_an_error_of_ours_is_listed() -> None:
    rejections = [
        str(call.args[0].value)
        for module in modules_of("checkout")
        for call in ast.walk(ast.parse(module.source))
        if isinstance(call, ast.Call)
        and getattr(call.func, "id", "") == "CommandRejected"
        and isinstance(call.args[0], ast.Constant)
    ]
    assert len(rejections) > 10
    assert {code for code in rejections if f"`{code}`" not in CODES} == set()


@pytest.mark.parametrize("type", REPLIES)
@pytest.mark.parametrize(
    "result",
    [{}, {"outcome": 1}, {"outcome": "maybe"}, {"decision": 1}, {"decision": "maybe"}, {"reserved": 1}],
)
def test_an_answer_with_fields_that_are_missing_wrong_or_unheard_of_is_malformed(
    type: str, result: dict[str, object]
) -> None:
    with pytest.raises(MalformedMessage) as raised:
        COMMANDS[type].read_answer(result)
    assert "maybe" not in str(raised.value), "the text is logged, and the word may be anything"


@pytest.mark.parametrize(
    ("type", "result"),
    [
        ("risk.assess", {"decision": "accept", "reasons": []}),
        ("risk.assess", {"decision": "reject"}),
        ("orders.reserve", {"reserved": False, "missing": ["tea"]}),
        ("orders.confirm", {}),
        ("payments.authorise", {"outcome": "refused", "event": "REFUSED", "refusal_reason": "card_expired"}),
        ("checkout.await_payment", {"payment": "pay_1", "state": "captured"}),
        ("checkout.await_operation", {"payment": "pay_1", "operation": "op_1", "state": "pending"}),
    ],
)
def test_an_answer_as_the_contract_has_it_passes_and_one_field_more_does_not(
    type: str, result: dict[str, object]
) -> None:
    COMMANDS[type].read_answer(result)
    with pytest.raises(MalformedMessage):
        COMMANDS[type].read_answer({**result, "more": 1})
