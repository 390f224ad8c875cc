"""Messages of AMQP 1.0 at which RabbitMQ crashes, ending the connection of each AMQP 0.9.1 reader.

RabbitMQ 4 speaks AMQP 1.0 on the same port. There it accepts a type or content type of over 255 bytes, which
AMQP 0.9.1 cannot express.
"""

import asyncio
from pathlib import Path

import pytest

from messaging.broker import Broker
from messaging.dead_letters.consumer import DeadLetterConsumer
from messaging.envelope import JSON, Envelope
from messaging.topology import Topology
from scripts.services.process import ServiceError
from scripts.services.rabbitmq import Rabbitmq
from tests.support import environment
from tests.support.amqp10 import TOO_LONG, Amqp10, Refused
from tests.support.brokers import Inbox, RabbitmqLab, command, raw_channel, reconnected, within

pytestmark = pytest.mark.rabbitmq

POISON = [{"type": TOO_LONG}, {"content_type": TOO_LONG}]


async def poison(
    lab: RabbitmqLab, exchange: str, key: str, *, type: str = "test.command", content_type: str = JSON
) -> None:
    def send() -> None:
        with Amqp10(lab.url) as sender:
            sender.publish(exchange, key, type=type, content_type=content_type)

    await asyncio.to_thread(send)


async def parked(lab: RabbitmqLab, topology: Topology, number: int) -> None:
    """Wait until so many messages are parked."""

    async def found() -> None:
        while await waiting(lab, topology.parked_queue.name) < number:  # noqa: ASYNC110 (no event reports it)
            await asyncio.sleep(0.05)

    await within(found())


async def waiting(lab: RabbitmqLab, queue: str) -> int:
    async with raw_channel(lab) as channel:
        declared = await channel.ask(
            lambda answer: channel.raw.queue_declare(queue, passive=True, callback=answer)
        )
    return int(declared.method.message_count)


@pytest.mark.parametrize("properties", POISON, ids=lambda properties: next(iter(properties)))
async def test_a_reader_goes_on_behind_a_message_at_which_the_broker_fails(
    rabbitmq: RabbitmqLab, properties: dict[str, str]
):
    reader, sender = await rabbitmq.broker(), await rabbitmq.broker()
    topology = reader.topology
    await reader.declare(topology.service_queue("risk"), topology.dead_queue)
    inbox = Inbox()
    await reader.consume(topology.service_queue("risk").name, inbox, prefetch=10)
    await poison(rabbitmq, topology.commands, "risk", **properties)
    await reconnected(reader)
    await sender.publish(topology.commands, "risk", command("good"), timeout_seconds=20)
    while (envelope := (await inbox.next()).envelope) is None or envelope.body != b"good":
        pass


async def read_behind_poison(lab: RabbitmqLab, *, messages: int, prefetch: int) -> tuple[Broker, Inbox]:
    """Read a service's queue, in which poison is before some messages. Return its reader."""
    reader, sender = await lab.broker(), await lab.broker()
    topology = reader.topology
    queue = topology.service_queue("risk")
    await reader.declare(queue, topology.dead_queue)
    await poison(lab, topology.commands, "risk", type=TOO_LONG)
    for number in range(messages):
        await sender.publish(topology.commands, "risk", command(str(number)), timeout_seconds=20)
    inbox = Inbox()
    await reader.consume(queue.name, inbox, prefetch=prefetch)
    return reader, inbox


async def test_messages_behind_it_are_not_given_up_with_it(rabbitmq: RabbitmqLab):
    reader, inbox = await read_behind_poison(rabbitmq, messages=5, prefetch=10)
    arrived: set[bytes] = set()
    while len(arrived) < 5:
        delivery = await inbox.next()
        arrived.add(delivery.envelope.body)
        delivery.ack()
    assert await waiting(rabbitmq, reader.topology.dead) <= 1


async def test_messages_behind_it_are_handled_side_by_side(rabbitmq: RabbitmqLab):
    _, inbox = await read_behind_poison(rabbitmq, messages=3, prefetch=3)
    held = [await inbox.next() for _ in range(3)]
    for delivery in held:
        delivery.ack()


async def test_another_queue_of_the_process_is_read_throughout(rabbitmq: RabbitmqLab):
    reader, sender = await rabbitmq.broker(), await rabbitmq.broker()
    topology = reader.topology
    commands, replies = topology.service_queue("checkout"), topology.reply_queue("saga")
    await reader.declare(commands, replies, topology.dead_queue)
    asked, answered = Inbox(), Inbox()
    await reader.consume(commands.name, asked, prefetch=10)
    await reader.consume(replies.name, answered, prefetch=10)
    for _ in range(3):
        await poison(rabbitmq, topology.commands, "checkout", type=TOO_LONG)
    await reconnected(reader)
    await sender.publish(topology.replies, replies.name, command("answer"), timeout_seconds=20)
    await sender.publish(topology.commands, "checkout", command("question"), timeout_seconds=20)
    assert (await answered.next()).envelope.body == b"answer"
    assert (await asked.next()).envelope.body == b"question"


async def test_dead_letters_are_kept_behind_one_at_which_the_broker_fails(rabbitmq: RabbitmqLab):
    reader, sender, kept = await rabbitmq.broker(), await rabbitmq.broker(), asyncio.Queue[Envelope]()
    topology, stop = reader.topology, asyncio.Event()
    loop = asyncio.get_running_loop()

    def keep(letter: Envelope) -> None:
        loop.call_soon_threadsafe(kept.put_nowait, letter)

    working = asyncio.create_task(DeadLetterConsumer(reader, keep).run(stop))
    await rabbitmq.somebody_reads(topology.dead)
    await poison(rabbitmq, topology.dead, "", content_type=TOO_LONG)
    await parked(rabbitmq, topology, 1)
    await sender.publish(topology.dead, "", command("kept", message_id="kept"), timeout_seconds=20)
    assert (await within(kept.get())).message_id == "kept"
    stop.set()
    await within(working)


async def test_a_command_at_which_the_broker_fails_ends_where_nobody_reads(rabbitmq: RabbitmqLab):
    reader, keeper = await rabbitmq.broker(), await rabbitmq.broker()
    topology = reader.topology
    queue = topology.service_queue("risk")
    await reader.declare(queue)
    await reader.consume(queue.name, Inbox(), prefetch=10)
    stop = asyncio.Event()
    working = asyncio.create_task(DeadLetterConsumer(keeper, lambda letter: None).run(stop))
    await rabbitmq.somebody_reads(topology.dead)
    await poison(rabbitmq, topology.commands, "risk", type=TOO_LONG)
    await parked(rabbitmq, topology, 1)
    assert await waiting(rabbitmq, queue.name) == await waiting(rabbitmq, topology.dead) == 0
    stop.set()
    await within(working)


def test_the_broker_of_an_installation_refuses_amqp_1_0(tmp_path: Path):
    settings = Path(__file__).parents[2] / "deployment/rabbitmq/advanced.config"
    try:
        node = Rabbitmq(tmp_path, advanced=settings.read_text())
        node.start()
    except ServiceError as error:
        environment.missing(str(error))
    try:
        with pytest.raises(Refused), Amqp10(node.environment["BROKER_URL"]):
            pass
        assert node.is_running
    finally:
        node.stop()
