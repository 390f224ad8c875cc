"""The Channels specification, on both brokers."""

import asyncio
from typing import Any

import msgspec
import pytest
from channels.exceptions import ChannelFull

from checkout.errors import BrokerUnavailable, MalformedMessage
from checkout.messaging.broker import Broker, get_broker
from checkout.messaging.channel_layer import RabbitmqChannelLayer, Traffic
from checkout.messaging.envelope import Envelope, Reply
from tests.support.brokers import Lab, a_moment, reconnected, within


@pytest.fixture
def layer(lab: Lab) -> RabbitmqChannelLayer:
    return RabbitmqChannelLayer(lab.url, lab.prefix, capacity=3)


async def elsewhere(lab: Lab, capacity: int = 3) -> Traffic:
    """The layer's part in another process."""
    broker = await lab.broker()
    traffic = Traffic(broker, 60, 86_400, lambda channel: capacity)
    broker.node.channels = traffic
    return traffic


async def connected(layer: RabbitmqChannelLayer) -> Broker:
    await layer.new_channel()
    broker = get_broker()
    await within(broker.wait_connected())
    return broker


async def test_names_are_valid_unique_and_of_this_process(layer: RabbitmqChannelLayer):
    names = {await layer.new_channel() for _ in range(50)} | {await layer.new_channel("mine")}
    assert len(names) == 51
    for name in names:
        assert layer.require_valid_channel_name(name)
        assert "!" in name


async def test_what_is_sent_is_received_in_order_with_every_kind_of_value(layer: RabbitmqChannelLayer):
    channel = await layer.new_channel()
    first = {"type": "a", "b": b"\x00\xff", "n": 2**62, "f": 0.5, "l": [1, None, True], "d": {"é": "ü"}}
    await layer.send(channel, first)
    await layer.send(channel, {"type": "b"})
    assert await layer.receive(channel) == first
    assert await layer.receive(channel) == {"type": "b"}


async def test_what_was_sent_is_not_changed_by_its_sender_afterwards(layer: RabbitmqChannelLayer):
    channel = await layer.new_channel()
    message = {"type": "a", "list": [1]}
    await layer.send(channel, message)
    message["list"].append(2)  # type: ignore[attr-defined]
    assert (await layer.receive(channel))["list"] == [1]


async def test_a_megabyte_passes_and_three_do_not(lab: Lab, layer: RabbitmqChannelLayer):
    channel = await layer.new_channel()
    await connected(layer)
    sender = await elsewhere(lab)
    big = {"type": "a", "data": b"x" * 1_000_000}
    await sender.send(channel, encoded(big))
    assert await within(layer.receive(channel)) == big
    with pytest.raises(MalformedMessage):
        await sender.send(channel, encoded({"type": "a", "data": b"x" * 3_000_000}))


async def test_another_process_sends_to_a_channel_in_order(lab: Lab, layer: RabbitmqChannelLayer):
    channel = await layer.new_channel()
    await connected(layer)
    sender = await elsewhere(lab)
    for number in range(3):
        await sender.send(channel, encoded({"type": "a", "n": number}))
    assert [(await within(layer.receive(channel)))["n"] for _ in range(3)] == [0, 1, 2]


async def test_a_full_channel_of_this_process_says_so(layer: RabbitmqChannelLayer):
    channel = await layer.new_channel()
    for _ in range(3):
        await layer.send(channel, {"type": "a"})
    with pytest.raises(ChannelFull):
        await layer.send(channel, {"type": "a"})
    other = await layer.new_channel()
    await layer.send(other, {"type": "b"})


async def test_a_full_shared_channel_says_so(layer: RabbitmqChannelLayer):
    await connected(layer)
    with pytest.raises(ChannelFull):  # noqa: PT012 (the broker's limit is soft)
        for _ in range(10):
            await layer.send("shared", {"type": "a"})


async def test_messages_expire(lab: Lab):
    layer = RabbitmqChannelLayer(lab.url, lab.prefix, expiry=0)
    channel = await layer.new_channel()
    await layer.send(channel, {"type": "old"})
    reading = asyncio.create_task(layer.receive(channel))
    done, _ = await asyncio.wait({reading}, timeout=0.05)
    assert not done
    reading.cancel()


async def test_a_cancelled_reader_loses_nothing(layer: RabbitmqChannelLayer):
    for channel in (await layer.new_channel(), "shared"):
        reading = asyncio.create_task(layer.receive(channel))
        done, _ = await asyncio.wait({reading}, timeout=0.1)
        assert not done
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)
        await connected(layer)
        await layer.send(channel, {"type": "a"})
        assert await within(layer.receive(channel)) == {"type": "a"}


async def test_a_reader_cancelled_just_as_a_message_comes_leaves_it_to_the_next(layer: RabbitmqChannelLayer):
    channel = await layer.new_channel()
    readers = [asyncio.create_task(layer.receive(channel)) for _ in range(2)]
    await asyncio.sleep(0)
    await layer.send(channel, {"type": "a"})
    readers[0].cancel()
    outcomes = await within(asyncio.gather(*readers, return_exceptions=True))
    assert isinstance(outcomes[0], asyncio.CancelledError)
    assert outcomes[1] == {"type": "a"}


async def test_a_reader_cancelled_just_before_a_message_comes_leaves_it_to_the_next(
    layer: RabbitmqChannelLayer,
):
    channel = await layer.new_channel()
    reader = asyncio.create_task(layer.receive(channel))
    await asyncio.sleep(0)
    reader.cancel()
    await layer.send(channel, {"type": "a"})
    with pytest.raises(asyncio.CancelledError):
        await reader
    assert await within(layer.receive(channel)) == {"type": "a"}


async def test_a_shared_channel_is_read_once(lab: Lab, layer: RabbitmqChannelLayer):
    await connected(layer)
    other = await elsewhere(lab)
    readers = [asyncio.create_task(layer.receive("shared")), asyncio.create_task(other.receive("shared"))]
    await layer.send("shared", {"type": "a"})
    done, pending = await within(asyncio.wait(readers, return_when=asyncio.FIRST_COMPLETED))
    assert len(done) == 1
    await layer.send("shared", {"type": "a"})
    await within(asyncio.wait(pending))


async def test_a_group_reaches_its_members_in_every_process(lab: Lab, layer: RabbitmqChannelLayer):
    await connected(layer)
    other = await elsewhere(lab)
    mine, theirs, outsider = (
        await layer.new_channel(),
        f"x.{other.broker.node.boot_id}!c1",
        await layer.new_channel(),
    )
    await layer.group_add("g", mine)
    await other.members.add("g", theirs)
    await layer.group_send("g", {"type": "hello"})
    assert await within(layer.receive(mine)) == {"type": "hello"}
    assert decoded(await within(other.receive(theirs))) == {"type": "hello"}
    await other.group_send("g", encoded({"type": "answer"}))
    assert await within(layer.receive(mine)) == {"type": "answer"}
    await silent(layer, outsider)


async def test_a_member_gets_a_group_message_once(layer: RabbitmqChannelLayer):
    broker = await connected(layer)
    channel = await layer.new_channel()
    await layer.group_add("g", channel)
    await layer.group_add("g", channel)
    await layer.group_send("g", {"type": "a"})
    assert await within(layer.receive(channel)) == {"type": "a"}
    await a_moment(broker)
    await silent(layer, channel)


async def test_who_has_left_a_group_hears_no_more(lab: Lab, layer: RabbitmqChannelLayer):
    broker = await connected(layer)
    other = await elsewhere(lab)
    leaver, stayer = await layer.new_channel(), await layer.new_channel()
    for channel in (leaver, stayer):
        await layer.group_add("g", channel)
    await layer.group_discard("g", leaver)
    await layer.group_discard("g", "never.was")
    await other.group_send("g", encoded({"type": "a"}))
    assert await within(layer.receive(stayer)) == {"type": "a"}
    await layer.group_discard("g", stayer)
    await other.group_send("g", encoded({"type": "b"}))
    await a_moment(broker)
    for channel in (leaver, stayer):
        await silent(layer, channel)


async def test_a_full_member_misses_a_group_message_and_the_others_get_it(layer: RabbitmqChannelLayer):
    await connected(layer)
    full, free = await layer.new_channel(), await layer.new_channel()
    for channel in (full, free):
        await layer.group_add("g", channel)
    for _ in range(3):
        await layer.send(full, {"type": "old"})
    await layer.group_send("g", {"type": "new"})
    assert await within(layer.receive(free)) == {"type": "new"}
    assert [(await layer.receive(full))["type"] for _ in range(3)] == ["old"] * 3
    await silent(layer, full)


async def test_a_membership_expires(lab: Lab):
    layer = RabbitmqChannelLayer(lab.url, lab.prefix, group_expiry=0)
    await connected(layer)
    channel = await layer.new_channel()
    await layer.group_add("g", channel)
    await layer.group_send("g", {"type": "a"})
    await silent(layer, channel)


async def test_a_group_without_members_is_no_error(layer: RabbitmqChannelLayer):
    await connected(layer)
    await layer.group_send("nobody", {"type": "a"})


async def test_groups_are_restored_after_a_lost_connection(lab: Lab, layer: RabbitmqChannelLayer):
    broker = await connected(layer)
    other = await elsewhere(lab)
    channel = await layer.new_channel()
    await layer.group_add("g", channel)
    lab.lose_connections()
    await reconnected(broker)
    await reconnected(other.broker)
    await other.group_send("g", encoded({"type": "a"}))
    assert await within(layer.receive(channel)) == {"type": "a"}


async def test_groups_joined_without_a_broker_work_when_it_comes(lab: Lab, layer: RabbitmqChannelLayer):
    await lab.go_down()
    channel = await layer.new_channel()
    await layer.group_add("g", channel)
    with pytest.raises(BrokerUnavailable):
        await layer.group_send("g", {"type": "lost elsewhere"})
    assert await layer.receive(channel) == {"type": "lost elsewhere"}
    await lab.come_back()
    await connected(layer)
    other = await elsewhere(lab)
    await other.group_send("g", encoded({"type": "a"}))
    assert await within(layer.receive(channel)) == {"type": "a"}


async def test_a_program_in_any_language_answers_to_a_channel(lab: Lab, layer: RabbitmqChannelLayer):
    broker = await connected(layer)
    other = await lab.broker()
    channel = await layer.new_channel()
    reading = asyncio.create_task(layer.receive(channel))
    await asyncio.sleep(0)
    answer = Envelope(
        type="reply", body=Reply.success({"n": 1}).encode(), correlation_id=channel.partition("!")[2]
    )
    await other.publish(other.topology.replies, broker.node.queue, answer, timeout_seconds=5)
    assert await within(reading) == {"type": "reply", "ok": True, "result": {"n": 1}}


async def test_flush_leaves_nothing(layer: RabbitmqChannelLayer):
    await connected(layer)
    channel = await layer.new_channel()
    await layer.group_add("g", channel)
    await layer.send(channel, {"type": "a"})
    await layer.send("shared", {"type": "a"})
    await layer.flush()
    await layer.group_send("g", {"type": "a"})
    await silent(layer, channel)
    await silent(layer, "shared")


async def test_invalid_names_and_messages_are_refused(layer: RabbitmqChannelLayer):
    for name in ("with space", "é", "x" * 101, 5):
        with pytest.raises(TypeError):
            await layer.send(name, {"type": "a"})  # type: ignore[arg-type]
        with pytest.raises(TypeError):
            await layer.group_add(name, "channel")  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        await layer.send("channel", "text")  # type: ignore[arg-type]


async def silent(layer: RabbitmqChannelLayer, channel: str) -> None:
    """Nothing is there to be received; what could be on its way has arrived before."""
    reading = asyncio.create_task(layer.receive(channel))
    done, _ = await asyncio.wait({reading}, timeout=0.2)
    reading.cancel()
    await asyncio.gather(reading, return_exceptions=True)
    assert not done


def encoded(message: dict[str, Any]) -> bytes:
    return msgspec.msgpack.encode(message)


def decoded(body: bytes) -> Any:
    return msgspec.msgpack.decode(body)
