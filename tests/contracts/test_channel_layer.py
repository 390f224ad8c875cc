"""The Channels specification, on both brokers."""

import asyncio
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from channels.exceptions import ChannelFull

from messaging import rpc
from messaging.channels.layer import ChannelNotOurs, RabbitmqChannelLayer
from messaging.envelope import Envelope, Reply
from messaging.errors import MessagingError
from messaging.registry import close_brokers
from tests.contracts.layers import connected, elsewhere, encoded, silent
from tests.support.brokers import Lab, a_moment, within


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


async def test_capacities_may_differ_by_channel(lab: Lab):
    layer = RabbitmqChannelLayer(lab.url, lab.prefix, capacity=9, channel_capacity={"small.*": 1})
    small, usual = await layer.new_channel("small"), await layer.new_channel()
    for channel in (small, usual, usual):
        await layer.send(channel, {"type": "a"})
    with pytest.raises(ChannelFull):
        await layer.send(small, {"type": "a"})


async def test_the_bounds_of_a_layer_hold_also_when_rpc_was_first(lab: Lab):
    with pytest.raises(MessagingError):
        await rpc.acall("nobody", "test.command", {}, timeout_seconds=5)
    layer = RabbitmqChannelLayer(lab.url, lab.prefix, capacity=1)
    channel = await layer.new_channel()
    await layer.send(channel, {"type": "a"})
    with pytest.raises(MessagingError):
        await rpc.acall("nobody", "test.command", {}, timeout_seconds=5)
    with pytest.raises(ChannelFull):
        await layer.send(channel, {"type": "a"})


async def test_what_is_too_much_for_a_channel_of_another_process_is_dropped_there(
    lab: Lab, layer: RabbitmqChannelLayer
):
    broker = await connected(layer)
    channel = await layer.new_channel()
    sender = await elsewhere(lab)
    for number in range(5):
        await sender.send(channel, encoded({"type": "a", "n": number}))
    await a_moment(broker)
    assert [(await layer.receive(channel))["n"] for _ in range(3)] == [0, 1, 2]
    await silent(layer, channel)


async def test_a_channel_of_another_process_is_not_ours_to_read(lab: Lab, layer: RabbitmqChannelLayer):
    other = await elsewhere(lab)
    with pytest.raises(ChannelNotOurs, match="another process"):
        await layer.receive(f"x.{other.broker.reply_queue.instance_id}!c1")


async def test_code_without_an_event_loop_sends_to_channels_of_this_one(layer: RabbitmqChannelLayer):
    await connected(layer)
    mine, member = await layer.new_channel(), await layer.new_channel()
    await layer.group_add("g", member)

    def send(number: int) -> None:
        async_to_sync(layer.send)(mine, {"type": "a", "n": number})
        async_to_sync(layer.group_send)("g", {"type": "b", "n": number})

    for number in range(2):
        await asyncio.to_thread(send, number)
        assert await within(layer.receive(mine)) == {"type": "a", "n": number}
        assert await within(layer.receive(member)) == {"type": "b", "n": number}


async def test_every_event_loop_has_channels_and_groups_of_its_own(layer: RabbitmqChannelLayer):
    await connected(layer)
    mine = await layer.new_channel()
    await layer.group_add("g", mine)

    async def elsewhere_in_this_process() -> list[Any]:
        theirs = await layer.new_channel()
        await connected(layer)
        await layer.group_add("g", theirs)
        await layer.send(mine, {"type": "direct"})
        await layer.group_send("g", {"type": "to all"})
        received = [await within(layer.receive(theirs))]
        with pytest.raises(ChannelNotOurs, match="another process"):
            await layer.receive(mine)
        await close_brokers()
        return received

    assert await asyncio.to_thread(asyncio.run, elsewhere_in_this_process()) == [{"type": "to all"}]
    assert await within(layer.receive(mine)) == {"type": "direct"}
    assert await within(layer.receive(mine)) == {"type": "to all"}


async def test_a_channel_that_any_process_might_read_is_refused(layer: RabbitmqChannelLayer):
    for refused in (
        layer.send("shared", {"type": "a"}),
        layer.receive("shared"),
        layer.group_add("g", "shared"),
    ):
        with pytest.raises(ChannelNotOurs, match="no process reads it"):
            await refused


async def test_messages_expire(lab: Lab):
    layer = RabbitmqChannelLayer(lab.url, lab.prefix, expiry=0)
    channel = await layer.new_channel()
    await layer.send(channel, {"type": "old"})
    reading = asyncio.create_task(layer.receive(channel))
    done, _ = await asyncio.wait({reading}, timeout=0.05)
    assert not done
    reading.cancel()


async def test_a_cancelled_reader_loses_nothing(layer: RabbitmqChannelLayer):
    channel = await layer.new_channel()
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


async def test_a_program_in_any_language_answers_to_a_channel(lab: Lab, layer: RabbitmqChannelLayer):
    broker = await connected(layer)
    other = await lab.broker()
    channel = await layer.new_channel()
    reading = asyncio.create_task(layer.receive(channel))
    await asyncio.sleep(0)
    answer = Envelope(
        type="reply", body=Reply.success({"n": 1}).encode(), correlation_id=channel.partition("!")[2]
    )
    await other.publish(other.topology.replies, broker.reply_queue.name, answer, timeout_seconds=5)
    assert await within(reading) == {"type": "reply", "ok": True, "result": {"n": 1}}


async def test_flush_leaves_nothing(layer: RabbitmqChannelLayer):
    await connected(layer)
    channel = await layer.new_channel()
    await layer.group_add("g", channel)
    await layer.send(channel, {"type": "a"})
    await layer.flush()
    await layer.group_send("g", {"type": "a"})
    await silent(layer, channel)


async def test_invalid_names_and_messages_are_refused(layer: RabbitmqChannelLayer):
    for name in ("with space", "é", "x" * 101, 5):
        with pytest.raises(TypeError):
            await layer.send(name, {"type": "a"})  # type: ignore[arg-type]
        with pytest.raises(TypeError):
            await layer.group_add(name, "channel")  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        await layer.send("channel", "text")  # type: ignore[arg-type]
