"""Differences between the broker and our topology are told, and mended by one command."""

import json
import os
import stat
import sys
from pathlib import Path
from typing import Any

import pika
import pytest
from django.core.management import CommandError
from pika.adapters.blocking_connection import BlockingChannel

from checkout.management.gateway.expected import expected_queues, topology
from messaging.inspection.differences import Bound, There, differences
from tests.management.gateway.conftest import Gateway, as_json
from tests.support.environment import RABBITMQ_CONTROL

QUEUES = [each.queue for each in expected_queues()]
RISK = "checkout.commands.risk"


def there(**changes: Any) -> There:
    """Return what a virtual host has if all is well, with a process and a listener, but for the changes."""
    bindings = {Bound(each.exchange, each.key, queue.name) for queue in QUEUES for each in queue.bindings}
    process = "checkout.node.web-1"
    bindings |= {Bound("checkout.replies", process, process), Bound("checkout.groups", "payment.1", process)}
    bindings.add(Bound("checkout.events", "payment.#", "checkout.events.warehouse"))
    queues = {queue.name: queue.arguments for queue in QUEUES}
    whole: dict[str, Any] = {
        "exchanges": {each.name: each.kind for each in topology().exchanges} | {"amq.topic": "topic"},
        "queues": queues | {process: {}, "checkout.events.warehouse": {}, "another.program": {}},
        "bindings": frozenset(bindings),
    }
    return There(**(whole | {name: change(whole[name]) for name, change in changes.items()}))


def told(**changes: Any) -> list[tuple[str, str]]:
    return [(each.text, str(each.remedy)) for each in differences(topology(), QUEUES, there(**changes))]


def test_nothing_is_told_if_all_is_well_with_processes_listeners_and_other_programs():
    assert told() == []


def test_the_number_of_copies_is_the_operators():
    many = {"x-quorum-initial-group-size": 5}
    assert told(queues=lambda queues: queues | {RISK: queues[RISK] | many}) == []


def test_every_other_argument_is_told():
    other = {"x-max-length": 5, "x-queue-type": "quorum", "durable": "false"}
    [(text, remedy)] = told(queues=lambda queues: queues | {RISK: other})
    assert "x-max-length=5, not 100000" in text
    assert "x-delivery-limit=none, not 20" in text
    assert "durable=false, not none" in text
    assert remedy == "make it anew, if it is empty and nothing reads it"


@pytest.mark.parametrize(
    "bound",
    [
        Bound("checkout.commands", "#", "another.program"),
        Bound("checkout.commands", "#", "checkout.node.web-1"),
        Bound("checkout.replies", "checkout.replies.saga", "checkout.events.warehouse"),
        Bound("checkout.replies", "checkout.node.web-2", "checkout.node.web-1"),
        Bound("checkout.events", "#", RISK),
        Bound("amq.topic", "#", RISK),
        Bound("checkout.commands", "#", "checkout.other", is_queue=False),
        Bound("amq.topic", "#", "checkout.commands", is_queue=False),
    ],
    ids=str,
)
def test_a_binding_that_copies_or_smuggles_messages_is_told(bound: Bound):
    assert told(bindings=lambda bindings: bindings | {bound}) == [(f"{bound} is none of ours", "remove it")]


def test_what_is_missing_is_told():
    assert told(exchanges=lambda every: {k: v for k, v in every.items() if k != "checkout.dead"}) == [
        ("the exchange checkout.dead is missing", "make it")
    ]
    assert told(queues=lambda every: {k: v for k, v in every.items() if k != RISK}) == [
        (f"the queue {RISK} is missing", "make it")
    ]
    bound = Bound("checkout.commands", "risk", RISK)
    assert told(bindings=lambda every: every - {bound}) == [(f"{bound} is missing", "bind it")]


def test_an_exchange_that_takes_what_no_queue_takes_is_told():
    """Its sender would not hear that a message is undeliverable."""
    kind = "topic alternate-exchange=checkout.hole"
    [(text, remedy)] = told(exchanges=lambda every: every | {"checkout.commands": kind})
    assert text == f"the exchange checkout.commands is {kind}, and should be topic"
    assert remedy.startswith("delete it, make it anew, and bind")


@pytest.fixture
def channel(rabbitmq_url: str, settings: Any) -> Any:
    settings.BROKER_URL = rabbitmq_url
    with pika.BlockingConnection(pika.URLParameters(f"{rabbitmq_url}?heartbeat=0")) as connection:
        yield connection.channel()


@pytest.fixture
def repair(gateway: Gateway) -> Gateway:
    return lambda *arguments: gateway("topology", "--control", RABBITMQ_CONTROL, *arguments)


@pytest.mark.rabbitmq
def test_an_empty_broker_gets_all_that_it_should_have(repair: Gateway, channel: BlockingChannel):
    status, preview = repair("--repair")
    assert status == 1
    assert "the exchange checkout.commands is missing" in preview
    assert "Nothing was changed" in preview
    status, done = repair("--repair", "--yes")
    assert status == 0
    assert "mended  the exchange checkout.commands is missing" in done, "the preview has made nothing"
    assert repair("--repair") == (0, "Everything is as it should be.\n")


@pytest.mark.rabbitmq
def test_what_is_different_or_strange_is_mended_and_what_is_in_use_is_left(
    repair: Gateway, channel: BlockingChannel
):
    repair("--repair", "--yes")
    ledger, orders = "checkout.commands.ledger", "checkout.commands.orders"
    for queue in (ledger, orders):
        channel.queue_delete(queue)
        channel.queue_declare(queue, durable=True, arguments={"x-queue-type": "classic"})
        channel.queue_bind(queue, "checkout.commands", queue.rpartition(".")[2])
    channel.basic_publish("checkout.commands", "orders", b"{}")
    channel.queue_declare("checkout.commands.copies", durable=True)
    channel.queue_bind("checkout.commands.copies", "checkout.commands", "#", arguments={"why": "no reason"})
    channel.exchange_declare("checkout.hole", "fanout")
    channel.exchange_bind("checkout.hole", "checkout.replies", "#")
    channel.exchange_delete("checkout.events")
    channel.exchange_declare("checkout.events", "fanout", durable=True)
    channel.queue_declare("checkout.events.warehouse", durable=True)
    channel.queue_bind("checkout.events.warehouse", "checkout.events", "payment.#")

    status, output = repair("--repair", "--yes")
    assert status == 1
    left = [line for line in output.splitlines() if line.startswith("LEFT")]
    assert [line.split()[3] for line in left] == [orders]
    assert "1 messages are in it" in " ".join(output.split())
    again = json.loads(repair("--json")[1])["differences"]
    assert [text.partition(" has ")[0] for text in again] == [f"the queue {orders}"]
    channel.confirm_delivery()
    for exchange, key in (
        ("checkout.commands", "orders"),
        ("checkout.commands", "ledger"),
        ("checkout.events", "payment.captured.shop"),
    ):
        channel.basic_publish(exchange, key, b"{}", mandatory=True)  # raises if no queue takes it
    assert channel.queue_declare("checkout.events.warehouse", passive=True).method.message_count == 1


@pytest.mark.rabbitmq
@pytest.mark.django_db
def test_a_doctor_names_what_strangers_have_put_within_our_names(
    repair: Gateway, gateway: Gateway, channel: BlockingChannel
):
    repair("--repair", "--yes")
    channel.queue_declare("checkout.copies", durable=True)
    channel.queue_bind("checkout.copies", "checkout.commands", "#")
    findings = as_json(gateway("doctor", "--json", "--control", RABBITMQ_CONTROL)[1])["findings"]
    strange = [each["text"] for each in findings if "none of ours" in each["text"]]
    assert strange == [
        "the binding of the queue checkout.copies to checkout.commands for # is none of ours",
        "the queue checkout.copies is none of ours",
    ]


def test_it_needs_rabbitmq_and_its_own_program(gateway: Gateway, settings: Any, tmp_path: Path):
    settings.BROKER_URL = "memory://nothing"
    with pytest.raises(CommandError, match="--repair needs RabbitMQ and --control"):
        gateway("topology", "--repair", "--control", "rabbitmqctl")
    settings.BROKER_URL = "amqp://guest:guest@127.0.0.1:1"
    with pytest.raises(CommandError, match="--repair needs RabbitMQ and --control"):
        gateway("topology", "--repair")
    with pytest.raises(CommandError, match="list_bindings did not answer"):
        gateway("topology", "--repair", "--control", "/nowhere/rabbitmqctl")
    program = tmp_path / "rabbitmqctl"
    program.write_text(f"#!{sys.executable}\nprint('[]')\n")
    os.chmod(program, stat.S_IRWXU)
    with pytest.raises(CommandError, match="The broker cannot be asked"):
        gateway("topology", "--repair", "--yes", "--control", str(program))
