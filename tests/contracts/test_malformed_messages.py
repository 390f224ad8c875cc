"""Messages of foreign programs that break the contract, as RabbitMQ delivers them."""

import asyncio
import struct
from datetime import UTC, datetime
from typing import Any

import pika
import pytest

from messaging import rpc
from messaging.cloud_events import read
from messaging.dead_letters import letter
from messaging.dead_letters.consumer import DeadLetterConsumer
from messaging.envelope import EVENT_HEADERS, Envelope
from messaging.errors import MalformedMessage
from messaging.registry import close_brokers
from tests.support.brokers import Inbox, RabbitmqLab, raw_channel, within

pytestmark = pytest.mark.rabbitmq

# RabbitMQ accepts both, and pika can decode neither: a time in the year 57856, and a deeply nested array.
LATE_TIME = b"T" + struct.pack(">Q", 1_763_618_400_000)


def nested(depth: int) -> bytes:
    value = b""
    for _ in range(depth):
        value = b"A" + struct.pack(">I", len(value)) + value
    return value


class RawHeader(pika.BasicProperties):
    """Properties of a sound message with one header, given as the bytes of its value."""

    def __init__(self, value: bytes) -> None:
        super().__init__(type="t", message_id="m", content_type="application/json", headers={"sent": 1})
        self._value = value

    def encode(self) -> list[bytes]:
        one = bytes(self._field(b"I" + struct.pack(">i", 1)))
        table = self._field(self._value)
        return [b"".join(super().encode()).replace(one, table)]

    def _field(self, value: bytes) -> bytes:
        field = b"\x04sent" + value
        return struct.pack(">I", len(field)) + field


@pytest.mark.parametrize(
    ("properties", "body", "defect"),
    [
        (pika.BasicProperties(type="t", content_type="application/json"), b"{}", "message_id"),
        (pika.BasicProperties(message_id="m", content_type="application/json"), b"{}", "type"),
        (pika.BasicProperties(message_id="m", type="t"), b"{}", "content_type"),
        (
            pika.BasicProperties(
                message_id="m", type="t", content_type="application/json", headers={"deadline": "soon"}
            ),
            b"{}",
            "deadline",
        ),
        (
            pika.BasicProperties(
                message_id="m", type="t", content_type="application/json", headers={"baggage": {"a": 1}}
            ),
            b"{}",
            "baggage",
        ),
        (
            pika.BasicProperties(message_id="m", type="t", content_type="application/json"),
            b"x" * 300_000,
            "limit",
        ),
        (
            pika.BasicProperties(
                message_id="m", type="t", content_type="application/json", timestamp=2**64 - 1
            ),
            b"{}",
            "timestamp",
        ),
        (RawHeader(LATE_TIME), b"{}", "message_id"),
        (RawHeader(nested(1200)), b"{}", "message_id"),
    ],
)
async def test_a_message_that_breaks_the_contract_arrives_with_its_defect(
    rabbitmq: RabbitmqLab, properties: pika.BasicProperties, body: bytes, defect: str
):
    broker = await rabbitmq.broker()
    inbox = Inbox()
    queue = broker.topology.service_queue("risk")
    await broker.declare(queue)
    await broker.consume(queue.name, inbox, prefetch=1)
    async with raw_channel(rabbitmq) as channel:
        channel.raw.basic_publish(broker.topology.commands, "risk", body, properties)
        delivery = await inbox.next()
    assert delivery.envelope is None
    assert delivery.raw == body
    assert defect in delivery.defect
    assert broker.metrics()["connections_lost"] == 0
    delivery.ack()


@pytest.mark.parametrize("prefix", EVENT_HEADERS)
async def test_the_time_of_an_event_may_be_a_timestamp_as_rabbitmq_makes_it_of_one_of_amqp_1(
    rabbitmq: RabbitmqLab, prefix: str
):
    broker = await rabbitmq.broker()
    inbox = Inbox()
    queue = broker.topology.service_queue("risk")
    await broker.declare(queue)
    await broker.consume(queue.name, inbox, prefetch=1)
    at = datetime(2028, 2, 29, 23, 59, 59, tzinfo=UTC)
    told: dict[str, Any] = {"specversion": "1.0", "id": "m", "type": "t", "source": "/post", "time": at}
    properties = pika.BasicProperties(
        type="t",
        message_id="m",
        content_type="application/json",
        headers={f"{prefix}{name}": value for name, value in told.items()},
    )
    async with raw_channel(rabbitmq) as channel:
        channel.raw.basic_publish(broker.topology.commands, "risk", b"{}", properties)
        delivery = await inbox.next()
    assert delivery.envelope is not None, delivery.defect
    assert read(delivery.envelope).time == at
    delivery.ack()


@pytest.mark.parametrize("value", [LATE_TIME, nested(1200)], ids=["late time", "nested"])
async def test_a_dead_letter_that_nobody_can_decode_is_kept_and_the_next_one_too(
    rabbitmq: RabbitmqLab, value: bytes
):
    broker = await rabbitmq.broker()
    kept: list[Envelope] = []
    are_kept = asyncio.Event()

    def keep(given_up: Envelope) -> None:
        kept.append(given_up)
        if len(kept) == 2:
            loop.call_soon_threadsafe(are_kept.set)

    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    running = asyncio.create_task(DeadLetterConsumer(broker, keep).run(stop))
    try:
        async with raw_channel(rabbitmq) as channel:
            channel.raw.basic_publish(broker.topology.dead, "", b"{}", RawHeader(value))
            channel.raw.basic_publish(broker.topology.dead, "", b"{}", RawHeader(b"I\0\0\0\1"))
            await within(are_kept.wait())
    finally:
        stop.set()
        await within(running)
    assert {each.type for each in kept} == {"malformed", "t"}
    assert broker.metrics()["connections_lost"] == 0


class RawBytes(pika.BasicProperties):
    """Properties of a sound message, one of which is bytes that are no UTF-8."""

    def __init__(self, **text: object) -> None:
        sound: dict[str, object] = {"type": "t", "message_id": "m", "content_type": "application/json"}
        super().__init__(**(sound | text))  # type: ignore[arg-type]

    def encode(self) -> list[bytes]:
        return [b"".join(super().encode()).replace(b"?", b"\xff")]


@pytest.mark.parametrize(
    "properties",
    [
        RawBytes(type="?" * 255),
        RawBytes(message_id="?" * 255),
        RawBytes(correlation_id="?" * 255),
        RawBytes(reply_to="?" * 255),
        RawBytes(app_id="?" * 255),
        RawBytes(app_id="?", headers={"\0" * 200: "x"}),
    ],
)
async def test_what_grows_when_it_is_made_readable_is_a_dead_letter_that_can_be_published(
    rabbitmq: RabbitmqLab, properties: pika.BasicProperties
):
    broker = await rabbitmq.broker()
    inbox, dead = Inbox(), Inbox()
    queue = broker.topology.service_queue("risk")
    await broker.declare(queue)
    await broker.consume(queue.name, inbox, prefetch=1)
    await broker.consume(broker.topology.dead, dead, prefetch=1)
    async with raw_channel(rabbitmq) as channel:
        channel.raw.basic_publish(broker.topology.commands, "risk", b"{}", properties)
        delivery = await inbox.next()
    given_up = letter.of(delivery, "risk", "why")
    await broker.publish(broker.topology.dead, "", given_up, timeout_seconds=10)
    assert letter.read(await dead.next(), broker.topology).message_id == given_up.message_id


async def test_the_number_of_deliveries_is_the_brokers_word_and_not_the_senders(rabbitmq: RabbitmqLab):
    broker = await rabbitmq.broker()
    inbox = Inbox()
    queue = broker.topology.service_queue("risk")
    await broker.declare(queue)
    await broker.consume(queue.name, inbox, prefetch=1)
    properties = pika.BasicProperties(
        message_id="m", type="t", content_type="application/json", headers={"x-delivery-count": 2000}
    )
    async with raw_channel(rabbitmq) as channel:
        channel.raw.basic_publish(broker.topology.commands, "risk", b"{}", properties)
        for expected in range(3):
            delivery = await inbox.next()
            assert delivery.delivery_count == expected
            delivery.reject(requeue=True)


@pytest.mark.parametrize(
    ("fields", "body"),
    [
        ({"headers": {"baggage": {"a": 1}}}, b"{}"),
        ({"content_type": "application/json; charset=utf-8"}, b"{}"),
        ({"content_type": None}, b"{}"),
        ({"app_id": "?"}, b"{}"),
        ({}, b"x" * 300_000),
    ],
    ids=["header", "kind of content", "no kind of content", "no UTF-8", "size"],
)
async def test_a_reply_that_breaks_the_contract_ends_the_wait_for_it(
    rabbitmq: RabbitmqLab, settings: Any, fields: dict[str, Any], body: bytes
):
    settings.BROKER_URL, settings.MESSAGING_PREFIX = rabbitmq.url, rabbitmq.prefix
    service, inbox = await rabbitmq.broker(), Inbox()
    queue = service.topology.service_queue("risk")
    await service.declare(queue)
    await service.consume(queue.name, inbox, prefetch=1)
    waiting = asyncio.ensure_future(rpc.acall("risk", "risk.assess", {}, timeout_seconds=600))
    question = (await inbox.next()).envelope
    assert question is not None
    sound = {"type": "reply", "message_id": "m", "content_type": "application/json"}
    properties = RawBytes(**(sound | {"correlation_id": question.correlation_id} | fields))
    async with raw_channel(rabbitmq) as channel:
        channel.raw.basic_publish(service.topology.replies, question.reply_to, body, properties)
        with pytest.raises(MalformedMessage, match="not a reply"):
            await within(waiting)
    await close_brokers()
