"""Differences between the broker and our topology are reported, and mended by one command."""

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

from checkout.management.gateway import control
from checkout.management.gateway.expected import expected_queues, topology
from messaging.inspection.differences import Bound, There, differences
from messaging.registry import mend_broker
from tests.management.gateway.conftest import Gateway, as_json
from tests.support.environment import RABBITMQ_CONTROL

QUEUES = [each.queue for each in expected_queues()]
RISK = "checkout.commands.risk"


def there(**changes: Any) -> There:
    """Return a virtual host without differences, with a process and a listener, and then these changes."""
    bindings = {Bound(each.exchange, each.key, queue.name) for queue in QUEUES for each in queue.bindings}
    process = "checkout.node.web-1"
    bindings |= {Bound("checkout.replies", process, process), Bound("checkout.groups", "payment.1", process)}
    bindings.add(Bound("checkout.events", "payment.#", "checkout.events.warehouse"))
    bindings.add(Bound("checkout.events", "refund.#", "warehouse", is_queue=False))
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
    bound = "bound to checkout.commands for risk"
    assert remedy == f"make it anew, {bound}, if it is empty and nothing reads it"


@pytest.mark.parametrize(
    "bound",
    [
        Bound("checkout.commands", "#", "another.program"),
        Bound("checkout.commands", "#", "checkout.node.web-1"),
        Bound("checkout.replies", "checkout.replies.saga", "checkout.events.warehouse"),
        Bound("checkout.replies", "checkout.node.web-2", "checkout.node.web-1"),
        Bound("checkout.events", "#", RISK),
        Bound("amq.topic", "#", RISK),
        Bound("checkout.commands", "risk", RISK, arguments={"why": "no reason"}),
        Bound("checkout.commands", "#", "checkout.other", is_queue=False),
        Bound("checkout.commands", "#", "warehouse", is_queue=False),
        Bound("checkout.events", "#", "checkout.other", is_queue=False),
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
    """The sender would not learn that a message is undeliverable."""
    kind = "topic alternate-exchange=checkout.hole"
    (text, remedy), *bindings = told(exchanges=lambda every: every | {"checkout.commands": kind})
    assert text == f"the exchange checkout.commands is {kind}, and should be topic"
    assert remedy == "delete it, and make it anew"
    every = {Bound(each.exchange, each.key, queue.name) for queue in QUEUES for each in queue.bindings}
    lost = {f"{bound} is deleted with the exchange" for bound in every if bound.exchange in text}
    assert dict(bindings) == dict.fromkeys(lost, "bind it")


def test_a_queue_gets_no_message_any_more_before_it_is_deleted():
    copies, anew = "checkout.copies", {"x-queue-type": "classic"}
    strange = {
        Bound("checkout.events", "#", copies),
        Bound("amq.topic", "#", copies),
        Bound("amq.topic", "#", RISK),
    }
    found = told(
        queues=lambda queues: queues | {copies: {}, RISK: anew}, bindings=lambda bindings: bindings | strange
    )
    assert {text for text, _ in found[:3]} == {f"{bound} is none of ours" for bound in strange}
    assert [remedy.partition(" it")[0] for _, remedy in found[3:]] == ["make", "delete"]


def test_both_of_two_bindings_that_differ_in_their_arguments_are_kept():
    kind = "topic alternate-exchange=checkout.hole"
    bound = Bound("checkout.events", "payment.#", "checkout.events.warehouse", arguments={"for": "reports"})
    found = told(
        exchanges=lambda every: every | {"checkout.events": kind},
        bindings=lambda bindings: bindings | {bound},
    )
    lost = [text for text, _ in found if "checkout.events.warehouse" in text]
    assert len(lost) == 2
    assert f"{bound} is deleted with the exchange" in lost
    assert "for=reports" in str(bound)


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
    channel.exchange_declare("warehouse", "topic")
    channel.exchange_bind("warehouse", "checkout.events", "payment.#")
    channel.queue_declare("reports", durable=True)
    channel.queue_bind("reports", "warehouse", "#")

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
    for queue in ("checkout.events.warehouse", "reports"):
        assert channel.queue_declare(queue, passive=True).method.message_count == 1


@pytest.mark.rabbitmq
def test_a_queue_that_vanishes_during_the_repair_costs_no_other_its_binding(
    repair: Gateway, channel: BlockingChannel, rabbitmq_url: str
):
    repair("--repair", "--yes")
    channel.exchange_delete("checkout.events")
    channel.exchange_declare("checkout.events", "fanout", durable=True)
    for name in ("a-first", "z-last"):
        channel.queue_declare(name, durable=True)
        channel.queue_bind(name, "checkout.events", "payment.#")
    found = differences(topology(), QUEUES, control.there(RABBITMQ_CONTROL))
    channel.queue_delete("a-first")
    reasons = {each.text: reason for each, reason in mend_broker(found, lambda _: "")}
    [(text, reason)] = [(text, reason) for text, reason in reasons.items() if reason]
    assert "the queue a-first to checkout.events for payment.# " in text
    assert "NOT_FOUND" in reason
    channel.basic_publish("checkout.events", "payment.captured.shop", b"{}")
    assert channel.queue_declare("z-last", passive=True).method.message_count == 1


@pytest.mark.rabbitmq
def test_a_queue_stays_and_stays_bound_if_the_administration_does_not_show_it_idle(
    repair: Gateway, channel: BlockingChannel
):
    """Over AMQP, a queue whose leader is away looks as if it were empty."""
    repair("--repair", "--yes")
    channel.queue_delete(RISK)
    channel.queue_declare(RISK, durable=True, arguments={"x-queue-type": "classic"})
    channel.queue_bind(RISK, "checkout.commands", "risk")
    found = differences(topology(), QUEUES, control.there(RABBITMQ_CONTROL))
    assert [reason for _, reason in mend_broker(found, lambda _: "it is down")] == ["it is down"]
    channel.confirm_delivery()
    channel.basic_publish("checkout.commands", "risk", b"{}", mandatory=True)  # raises if no queue takes it


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({"state": "running", "messages": 0, "consumers": 0}, ""),
        ({"state": "down", "messages": 0, "consumers": 0}, "it is down, with 0 messages and 0 readers"),
        ({"state": "running", "messages": 2, "consumers": 0}, "it is running, with 2 messages and 0 readers"),
        ({"state": "running", "messages": 0, "consumers": 1}, "it is running, with 0 messages and 1 readers"),
        ({"name": "another"}, "it is not listed"),
    ],
    ids=str,
)
def test_a_queue_may_be_deleted_only_if_the_administration_shows_it_running_and_idle(
    row: dict[str, Any], reason: str, tmp_path: Path, settings: Any
):
    settings.BROKER_URL = "amqp://guest:guest@127.0.0.1:1"
    program = program_that_prints(json.dumps([{"name": RISK} | row]), tmp_path)
    assert control.use_of(program, RISK).startswith(reason)
    assert bool(control.use_of(program, RISK)) == bool(reason)
    assert "did not answer" in control.use_of("/nowhere/rabbitmqctl", RISK)


@pytest.mark.parametrize("arguments", [("--yes",), ("--repair", "--json")], ids=str)
def test_an_option_that_would_do_nothing_is_an_error(gateway: Gateway, arguments: tuple[str, ...]):
    with pytest.raises(CommandError, match="--repair"):
        gateway("topology", "--control", "rabbitmqctl", *arguments)


def program_that_prints(text: str, folder: Path) -> str:
    program = folder / "rabbitmqctl"
    program.write_text(f"#!{sys.executable}\nprint({text!r})\n")
    os.chmod(program, stat.S_IRWXU)
    return str(program)


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
    with pytest.raises(CommandError, match="The broker cannot be asked"):
        gateway("topology", "--repair", "--yes", "--control", program_that_prints("[]", tmp_path))
