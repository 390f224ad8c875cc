"""The example services keep the contract: the same tests for each of them."""

import ast
import asyncio
import json
import subprocess
import sys
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator
from msgspec.structs import replace

from messaging.access.proofs import is_proven
from messaging.dead_letters import letter
from messaging.envelope import PROOF, HeaderValue, Reply
from scripts.asyncapi import SCHEMAS
from tests.examples.conftest import Asker, ended
from tests.examples.programs import EXAMPLES, RISK
from tests.support.brokers import Inbox, RabbitmqLab, a_moment
from tests.support.environment import RABBITMQ_CONTROL

pytestmark = pytest.mark.rabbitmq


def validated(asker: Asker, body: object) -> object:
    """Return a reply's body, after checking it by the published schema."""
    schema = json.loads((SCHEMAS / f"{asker.example.type}.reply.json").read_text())
    Draft202012Validator(schema).validate(body)
    return body


async def test_it_answers_as_the_contract_says(asker: Asker) -> None:
    headers: dict[str, HeaderValue] = {
        "sealed": "secret",
        "deadline": 5,
        "causation-id": "m0",
        "baggage": "kept",
    }
    sent = asker.command(headers=headers)
    await asker.send(sent)
    reply = await asker.reply()
    assert reply.type == "reply"
    assert validated(asker, json.loads(reply.body)) == {"ok": True, "result": asker.example.result}
    assert reply.correlation_id == sent.correlation_id
    assert reply.user_id == asker.broker.topology.user(asker.example.service)
    assert (reply.subject, reply.sealed, reply.headers["baggage"]) == ("pay_1", "secret", "kept")
    assert reply.causation_id == sent.message_id
    assert (reply.deadline, reply.headers.get(PROOF)) == (None, None)


async def test_a_field_of_a_later_version_is_ignored_in_an_open_command(asker: Asker) -> None:
    await asker.send(asker.command(body={**asker.example.body, "of_a_later_version": 1}))
    assert await asker.answer() == {"ok": True, "result": asker.example.result}


@pytest.mark.parametrize("body", [b"not JSON", b"[]", b'{"payment": 1}', b"\xff", b"{}"])
async def test_it_says_what_it_does_not_understand_and_keeps_it_as_a_dead_letter(
    asker: Asker, body: bytes
) -> None:
    sent = asker.command(body=body, headers={"sealed": "secret"})
    await asker.send(sent)
    answer = await asker.answer()
    validated(asker, answer)
    assert Reply.decode(json.dumps(answer).encode()).error.code == "malformed_message"
    dead = letter.read(await asker.dead.next(), asker.relay.topology)
    assert dead.message_id == sent.message_id
    assert dead.headers[letter.QUEUE] == asker.broker.topology.service_queue(asker.example.service).name
    assert dead.headers[letter.SENDER] == asker.broker.topology.user("checkout")
    assert (dead.sealed, dead.subject) == ("", "pay_1")


async def test_what_no_program_of_the_gateway_has_written_is_not_handled(
    asker: Asker, lab: RabbitmqLab
) -> None:
    proven = asker.command()
    unproven = replace(proven, headers={"subject": "pay_1"})
    altered = replace(proven, body=proven.body.replace(b"pay_7", b"pay_8"))
    elsewhere = replace(proven, reply_to=asker.broker.topology.instance_queue_name("web-1"))
    assert not is_proven(altered)
    for forged, sender in ((unproven, asker.broker), (altered, asker.relay), (elsewhere, asker.relay)):
        await asker.send(forged, sender)
        dead = letter.read(await asker.dead.next(), asker.relay.topology)
        assert str(dead.headers[letter.REASON]).startswith("not entitled: ")
    await asker.send(proven, asker.relay)
    assert await asker.answer() == {"ok": True, "result": asker.example.result}
    assert not len(asker.replies), "nobody else was answered"


@pytest.mark.node
def test_a_limit_that_is_no_number_is_refused_at_the_start(tmp_path: Path) -> None:
    program = RISK.program(tmp_path, BROKER_URL="amqp://x@127.0.0.1:1/", SECRET_KEY="k", LIMIT_MINOR="5,000")
    program.start()
    assert program.wait(seconds=30) == 1
    assert "LIMIT_MINOR is no whole number" in (tmp_path / "risk-node.log").read_text()


async def test_a_command_that_comes_again_gets_the_same_answer(asker: Asker) -> None:
    sent = asker.command()
    for _ in range(2):
        await asker.send(sent)
        assert await asker.answer() == {"ok": True, "result": asker.example.result}


async def test_our_own_service_takes_over_its_queue(asker: Asker, lab: RabbitmqLab) -> None:
    await asker.send(asker.command())
    await asker.answer()
    assert await ended(asker.program) == 0
    broker = await lab.broker_of(asker.example.service)
    successor, queue = Inbox(), broker.topology.service_queue(asker.example.service)
    await broker.declare(queue)  # with other arguments, the broker would refuse it
    await broker.consume(queue.name, successor, prefetch=1)
    await asker.send(asker.command())
    (await successor.next()).ack()


async def test_terminated_it_finishes_what_it_has_and_leaves_the_rest(asker: Asker, lab: RabbitmqLab) -> None:
    for _ in range(50):
        await asker.send(asker.command())
    assert await ended(asker.program) == 0
    broker = await lab.broker_of(asker.example.service)
    left, queue = Inbox(), broker.topology.service_queue(asker.example.service)
    await broker.declare(queue)
    await broker.consume(queue.name, left, prefetch=100)
    await asker.send(asker.command(body=b"last"))
    waiting = 0
    while (envelope := (await left.next()).envelope) and envelope.body != b"last":
        waiting += 1
    await a_moment(await lab.broker())
    assert waiting + len(asker.replies) == 50


async def test_it_comes_back_after_a_lost_connection(asker: Asker) -> None:
    """One example connects again by itself. The other one ends, and its supervisor starts it again."""
    await asker.send(asker.command())
    await asker.answer()
    asker.program.kill()
    await asker.send(asker.command())
    asker.program.start()
    assert await asker.answer() == {"ok": True, "result": asker.example.result}


async def test_a_connection_that_dies_in_silence_is_noticed_within_seconds(asker: Asker) -> None:
    """messages.md requires heartbeats of 10 s: the broker's own interval is six times as long."""
    command = [RABBITMQ_CONTROL, "list_connections", "--quiet", "--no-table-headers", "user", "timeout"]
    told = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, check=True)
    user = asker.broker.topology.user(asker.example.service)
    # A connection that is being closed has no user any more.
    lines = [line.split() for line in told.stdout.splitlines() if line.strip()]
    assert {line[1] for line in lines if line[0] == user and len(line) == 2} == {"10"}


@pytest.mark.parametrize("name", ["orders-python", "events-python"])
def test_an_example_in_python_uses_nothing_but_pika(name: str) -> None:
    files = list((EXAMPLES / name).glob("*.py"))
    own = {path.stem for path in files}
    imported = {
        (node.module if isinstance(node, ast.ImportFrom) else alias.name).split(".")[0]
        for path in files
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in node.names
    }
    assert imported - own - set(sys.stdlib_module_names) == {"pika"}
    assert (EXAMPLES / name / "requirements.txt").read_text() == "pika>=1.4,<1.5\n"
