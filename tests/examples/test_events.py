"""The subscriber to events, alone and beside a purchase, and the events that it gets."""

import asyncio
import json
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path
from runpy import run_path
from typing import Any

import pika
import pytest
from cloudevents.core.bindings import amqp
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent as PublicEvent
from jsonschema import Draft202012Validator
from msgspec.structs import replace
from pika import BasicProperties

from checkout.participants import participants
from messaging.access.participants import Participant, Participants
from messaging.broker import Broker
from messaging.cloud_events import CloudEvent
from messaging.errors import Undeliverable
from scripts.asyncapi import SCHEMAS
from scripts.contract.events import schema_name
from scripts.contract.examples import example_of
from scripts.contract.schemas import schemas
from tests.examples.conftest import ended
from tests.examples.programs import EXAMPLES, subscriber
from tests.flows.stack.shopping import paid_once, rows, shopper_at
from tests.support.broker_users import make_users, url_of
from tests.support.brokers import Inbox, RabbitmqLab
from tests.support.program import Program
from tests.support.stack import Stack
from tests.support.waiting import wait_until

pytestmark = pytest.mark.rabbitmq

LISTENER = Participant(
    "warehouse", serves=False, listens=True, audiences=frozenset({"shop", "example"}), is_foreign=True
)
TABLE = Participants([*participants(), LISTENER])
EXAMPLE: dict[str, Any] = example_of(schemas()["event.payment"])


def known(folder: Path) -> list[tuple[Any, ...]]:
    """Return the payments about which the subscriber knows."""
    with closing(sqlite3.connect(folder / "events.sqlite3")) as sql:
        return sql.execute("SELECT reference, sequence, state FROM payments ORDER BY reference").fetchall()


def event(sequence: int, state: str, payment: str = "pay_1", **others: Any) -> CloudEvent:
    thing = {**EXAMPLE["data"]["object"], "id": payment, "state": state}
    data = {**EXAMPLE, "payment": payment, "data": {**EXAMPLE["data"], "object": thing}}
    fields = {"type": f"payment.{state}", "source": "/checkout", "subject": payment, "audience": "shop"}
    return CloudEvent(**{**fields, "sequence": sequence, "data": data, **others})


async def publish(broker: Broker, *events: CloudEvent) -> None:
    for each in events:
        key = each.routing_key(broker.topology)
        with suppress(Undeliverable):  # the only queue is for another merchant
            await broker.publish(broker.topology.events, key, each.envelope(), timeout_seconds=10)


@pytest.fixture
async def listening(lab: RabbitmqLab, tmp_path: Path) -> AsyncIterator[Program]:
    """Yield the running subscriber to one merchant's payments."""
    await lab.make_users(TABLE)
    program = subscriber(
        tmp_path,
        "payment.*.shop",
        BROKER_URL=url_of("warehouse", lab.url, prefix=lab.prefix),
        CHECKOUT_PREFIX=lab.prefix,
    )
    program.start()
    await asyncio.to_thread(program.wait_for_line, "ready")
    yield program
    program.kill()


async def until(check: Callable[[], object], what: str) -> None:
    await asyncio.to_thread(wait_until, check, what)


async def test_the_latest_event_has_the_truth_in_whatever_order_they_come(
    lab: RabbitmqLab, listening: Program, tmp_path: Path
) -> None:
    relay = await lab.broker_of("relay")
    late = event(2, "authorised")
    await publish(relay, event(1, "open"), event(3, "captured"), late, late)
    await publish(relay, event(1, "open", "pay_2"), event(9, "captured", "pay_3", audience="other"))
    await until(lambda: len(known(tmp_path)) == 2, "the events to be taken")
    assert known(tmp_path) == [("pay_1", 3, "captured"), ("pay_2", 1, "open")]
    assert await ended(listening) == 0
    printed = [json.loads(line)["payment"] for line in listening.text().splitlines() if line[0] == "{"]
    assert printed == ["pay_1"] * 3 + ["pay_2"], "the one that came twice is printed once"


async def test_events_wait_while_the_subscriber_does_not_run(
    lab: RabbitmqLab, listening: Program, tmp_path: Path
) -> None:
    relay = await lab.broker_of("relay")
    listening.kill()
    await publish(relay, event(1, "open"), event(2, "captured"))
    listening.start()
    await until(lambda: known(tmp_path) == [("pay_1", 2, "captured")], "the events to be taken")


async def test_both_prefixes_are_read_and_what_is_no_event_is_a_dead_letter(
    lab: RabbitmqLab, listening: Program, tmp_path: Path
) -> None:
    relay, dead = await lab.broker_of("relay"), Inbox()
    await relay.consume(relay.topology.dead, dead, prefetch=10, auto_ack=True)
    made = event(1, "open").envelope()
    other = {name.replace("cloudEvents:", "cloudEvents_"): value for name, value in made.headers.items()}
    key = "payment.open.shop"
    for sent in (replace(made, body=b"[]"), replace(made, headers={}), replace(made, headers=other)):
        await relay.publish(relay.topology.events, key, sent, timeout_seconds=10)
    await until(lambda: known(tmp_path) == [("pay_1", 1, "open")], "the event to be taken")
    for _ in range(2):
        assert (await dead.next()).death.queue == f"{lab.prefix}.events.warehouse"


def test_an_event_whose_line_could_not_be_printed_is_news_when_it_comes_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BROKER_URL", "amqp://checkout.warehouse@localhost")
    program = run_path(str(EXAMPLES / "events-python" / "subscriber.py"))
    records = program["Records"](str(tmp_path / "events.sqlite3"))
    sent = event(1, "open").envelope()
    properties = BasicProperties(type=sent.type, headers=dict(sent.headers))
    printed: list[Any] = []

    def broken(_event: object) -> None:
        raise BrokenPipeError

    with pytest.raises(BrokenPipeError):
        records.take(properties, sent.body, broken)
    assert known(tmp_path) == []
    for _ in range(2):
        records.take(properties, sent.body, printed.append)
    vars(records)["_sql"].close()
    assert [each["payment"] for each in printed] == ["pay_1"]
    assert known(tmp_path) == [("pay_1", 1, "open")]


def heard(url: str, queue: str) -> Iterator[tuple[str, BasicProperties, bytes]]:
    """Yield the messages in a queue, with their routing keys."""
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        channel = connection.channel()
        while True:
            method, properties, body = channel.basic_get(queue, auto_ack=True)
            if method is None or properties is None or body is None:
                return
            yield str(method.routing_key), properties, body


@pytest.mark.postgresql
@pytest.mark.timeout(400)
def test_a_purchase_is_told_in_cloud_events_that_the_sdk_and_the_schemas_accept(
    start_stack: Callable[..., Stack], tmp_path: Path
) -> None:
    stack = start_stack()
    make_users(stack.broker_url, table=TABLE)
    program = subscriber(tmp_path, "*.*.example", BROKER_URL=url_of("warehouse", stack.broker_url))
    program.start()
    program.wait_for_line("ready")
    with pika.BlockingConnection(pika.URLParameters(stack.broker_url)) as connection:
        channel = connection.channel()
        channel.queue_declare("all", durable=True)
        channel.queue_bind("all", "checkout.events", "#")
    shopper = shopper_at(stack)
    shopper.pay(shopper.order())
    paid_once(stack, shopper)
    query = "SELECT reference, sequence, type FROM payments_event ORDER BY sequence"
    recorded = rows(stack, query)
    is_taken = [(shopper.reference, max(number for _id, number, type in recorded if "payment." in type))]
    wait_until(lambda: [each[:2] for each in known(tmp_path)] == is_taken, "the last event to be taken")
    assert known(tmp_path)[0][2] == "captured"
    assert program.terminate() == 0
    told = {}
    for key, properties, body in heard(stack.broker_url, "all"):
        message = amqp.AMQPMessage(
            {"content-type": properties.content_type}, dict(properties.headers or {}), body
        )
        public = amqp.from_binary(message, JSONFormat(), PublicEvent)
        assert properties.message_id == public.get_id()
        assert key == f"{public.get_type()}.example"
        assert public.get_subject() == shopper.reference
        _validate("event.headers", properties.headers)
        _validate(schema_name(public.get_type()), public.get_data())
        told[public.get_id()] = (int(public.get_attributes()["sequence"]), public.get_type())
    assert told == {id: (number, type) for id, number, type in recorded}
    assert [number for _id, number, _type in recorded] == list(range(1, len(recorded) + 1))
    assert {"payment.created", "payment.processing", "payment.capture_pending", "payment.captured"} <= {
        type for _id, _number, type in recorded
    }
    assert shopper.card.number not in json.dumps([str(each) for each in told])


def _validate(name: str, value: object) -> None:
    Draft202012Validator(json.loads((SCHEMAS / f"{name}.json").read_text())).validate(value)
