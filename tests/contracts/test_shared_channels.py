"""Channels that any process may read, on both brokers: no message is lost, read twice or left behind."""

import asyncio
from random import Random
from typing import Any

import pytest

from messaging.channels.layer import RabbitmqChannelLayer
from messaging.errors import Undeliverable
from messaging.topology import Queue
from tests.contracts.layers import connected, decoded, elsewhere, encoded, silent
from tests.support.brokers import Lab, command, reconnected, within

CANCELLED = 1_000
SENT = 300


async def test_a_thousand_cancelled_readers_lose_no_message_and_leave_no_consumer(lab: Lab):
    layer = RabbitmqChannelLayer(lab.url, lab.prefix, capacity=SENT)
    broker = await connected(layer)
    other = await elsewhere(lab, capacity=SENT)
    chance = Random(7)  # noqa: S311
    received: list[int] = []
    cancelled = 0

    async def send() -> None:
        for number in range(SENT):
            await other.send("shared", encoded({"type": "a", "n": number}))
            await asyncio.sleep(chance.uniform(0, 0.01))

    sending = asyncio.create_task(send())
    while cancelled < CANCELLED:
        reader = asyncio.create_task(layer.receive("shared"))
        if chance.random() < 0.5:
            for _ in range(chance.randrange(6)):
                await asyncio.sleep(0)
        else:
            await asyncio.wait({reader}, timeout=chance.uniform(0, 0.006))
        reader.cancel()
        await asyncio.wait({reader})
        if reader.cancelled():
            cancelled += 1
        else:
            received.append(reader.result()["n"])
    await within(sending)
    while len(received) < SENT:
        received.append((await within(layer.receive("shared")))["n"])
    assert received == list(range(SENT))
    await silent(layer, "shared")
    await lab.nobody_reads(f"{broker.topology.prefix}.channel.shared")


async def test_a_reader_cancelled_before_it_began_leaves_no_consumer(lab: Lab, layer: RabbitmqChannelLayer):
    broker = await connected(layer)
    other = await elsewhere(lab)
    channels = [f"shared-{number}" for number in range(60)]
    for number, channel in enumerate(channels):
        reader = asyncio.create_task(layer.receive(channel))
        await asyncio.wait({reader}, timeout=number / 10_000)
        reader.cancel()
        await asyncio.gather(reader, return_exceptions=True)
    for channel in channels:
        await lab.nobody_reads(f"{broker.topology.prefix}.channel.{channel}")
        await layer.send(channel, {"type": "a"})
        assert decoded(await within(other.receive(channel))) == {"type": "a"}


async def test_a_consumption_cancelled_while_it_begins_or_ends_takes_no_message(lab: Lab):
    broker = await lab.broker()
    queue = broker.topology.channel_queue("shared", capacity=100, expiry_seconds=60)
    await broker.declare(queue)
    taken: list[Any] = []
    for number in range(60):
        begins = asyncio.create_task(broker.consume(queue.name, taken.append, prefetch=1))
        await asyncio.wait({begins}, timeout=number / 10_000)
        begins.cancel()
        [consumption] = await asyncio.gather(begins, return_exceptions=True)
        if not isinstance(consumption, BaseException):
            ends = asyncio.ensure_future(consumption.release())
            await asyncio.sleep(0)
            ends.cancel()
            await asyncio.gather(ends, return_exceptions=True)
    await lab.nobody_reads(queue.name)
    assert not taken


async def test_a_reader_that_does_something_else_keeps_no_message_from_other_processes(
    lab: Lab, layer: RabbitmqChannelLayer
):
    await connected(layer)
    other = await elsewhere(lab)
    for number in range(3):
        await layer.send("shared", {"type": "a", "n": number})
    assert (await within(layer.receive("shared")))["n"] == 0
    theirs = {decoded(await within(other.receive("shared")))["n"] for _ in range(2)}
    assert theirs == {1, 2}


async def test_messages_come_in_order_to_one_reader_and_once_to_many(lab: Lab):
    layer = RabbitmqChannelLayer(lab.url, lab.prefix)
    await connected(layer)
    other = await elsewhere(lab, capacity=100)
    for number in range(40):
        await other.send("shared", encoded({"type": "a", "n": number}))
    alone = [(await within(layer.receive("shared")))["n"] for _ in range(20)]
    readers = [layer.receive("shared") for _ in range(10)]
    together = await within(asyncio.gather(*readers, *(other.receive("shared") for _ in range(10))))
    numbers = [(message if isinstance(message, dict) else decoded(message))["n"] for message in together]
    assert alone == list(range(20))
    assert sorted(numbers) == list(range(20, 40))


async def test_a_message_is_read_once_although_its_acknowledgement_was_lost(
    lab: Lab, layer: RabbitmqChannelLayer
):
    broker = await connected(layer)
    await layer.send("shared", {"type": "a"})
    assert await within(layer.receive("shared")) == {"type": "a"}
    lab.hold()
    lab.lose_connections()
    await reconnected(broker)
    await layer.send("shared", {"type": "b"})
    assert await within(layer.receive("shared")) == {"type": "b"}
    await silent(layer, "shared")


async def test_a_waiting_reader_gets_its_message_after_a_lost_connection(
    lab: Lab, layer: RabbitmqChannelLayer
):
    broker = await connected(layer)
    reader = asyncio.create_task(layer.receive("shared"))
    await asyncio.sleep(0)
    lab.lose_connections()
    await reconnected(broker)
    other = await elsewhere(lab)
    await other.send("shared", encoded({"type": "a"}))
    assert await within(reader) == {"type": "a"}


async def test_a_reader_may_wait_before_there_is_a_broker(lab: Lab, layer: RabbitmqChannelLayer):
    await lab.go_down()
    reader = asyncio.create_task(layer.receive("shared"))
    await asyncio.sleep(0)
    await lab.come_back()
    await connected(layer)
    await layer.send("shared", {"type": "a"})
    assert await within(reader) == {"type": "a"}


async def test_a_reader_that_waits_goes_on_waiting_when_the_layer_is_flushed(
    lab: Lab, layer: RabbitmqChannelLayer
):
    await connected(layer)
    other = await elsewhere(lab)
    reader = asyncio.create_task(layer.receive("shared"))
    await asyncio.wait({reader}, timeout=0.1)
    await layer.flush()
    await other.send("shared", encoded({"type": "a"}))
    assert await within(reader) == {"type": "a"}


async def test_a_message_that_no_queue_takes_is_not_lost_in_silence(
    layer: RabbitmqChannelLayer, monkeypatch: pytest.MonkeyPatch
):
    broker = await connected(layer)

    async def refused(*_queues: Queue) -> None:
        """Leave the queue out, as a broker does that refuses its declaration."""

    monkeypatch.setattr(broker, "declare", refused)
    with pytest.raises(Undeliverable):
        await within(layer.send("nobody-makes-it", {"type": "a"}))


async def test_a_channel_is_a_member_of_groups_and_hears_in_order(layer: RabbitmqChannelLayer):
    await connected(layer)
    await layer.group_add("g", "shared")
    for number in range(3):
        await layer.group_send("g", {"type": "a", "n": number})
    assert [(await within(layer.receive("shared")))["n"] for _ in range(3)] == [0, 1, 2]
    await layer.group_discard("g", "shared")
    await layer.group_send("g", {"type": "b"})
    await silent(layer, "shared")


async def test_a_channel_that_is_not_used_any_more_is_not_made_again(lab: Lab, layer: RabbitmqChannelLayer):
    """A process may have used thousands of channels, and could not connect again in time to make them all."""
    broker, other = await connected(layer), await lab.broker()
    prefix = broker.topology.channel_names
    for name in ("sent", "read"):
        await layer.send(name, {"type": "hello"})
    reading = asyncio.create_task(layer.receive("read"))
    await within(reading)
    await lab.nobody_reads(f"{prefix}read")
    for name in ("sent", "read"):
        await other.delete(f"{prefix}{name}")
    lab.lose_connections()
    await reconnected(broker)
    for name in ("sent", "read"):
        with pytest.raises(Undeliverable):
            await other.publish(broker.topology.replies, f"{prefix}{name}", command(), timeout_seconds=10)
    await layer.send("sent", {"type": "again"})
    assert await within(layer.receive("sent")) == {"type": "again"}
