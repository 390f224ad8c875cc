"""Behaviour that programs expect from the specification and from other channel layers, on both brokers."""

import asyncio
import random
from typing import Any

import pytest
from channels import exceptions
from channels.exceptions import ChannelFull, MessageTooLarge

from messaging.channels import layer as channel_layer
from messaging.channels.layer import ChannelNotOurs, RabbitmqChannelLayer
from messaging.envelope import MAX_CHANNEL_BODY_BYTES, Envelope
from messaging.errors import BrokerUnavailable
from messaging.registry import get_broker
from tests.contracts.layers import connected, elsewhere, encoded, silent
from tests.support.brokers import Lab, a_moment, reconnected, within

INVALID_NAMES = ("", "with space", "=+135!", "two!exclamation!marks", "é", "x" * 100, b"bytes", None, 5)
FOREIGN_NAMES = ("not-ours!local", "specific.nobody!c1", "specific.!c1", "c1!", "a.b.c!")


def of_size(size: int) -> dict[str, Any]:
    """Return a message that takes exactly ``size`` bytes."""
    message = {"type": "a", "data": b"x" * (size - 100)}
    message["data"] += b"x" * (size - len(encoded(message)))  # type: ignore[operator]
    return message


async def test_another_process_can_send_as_soon_as_there_is_a_channel(lab: Lab):
    sender = await elsewhere(lab)
    layer = RabbitmqChannelLayer(lab.url, lab.prefix)
    channel = await layer.new_channel()
    await sender.send(channel, encoded({"type": "a"}))
    assert await within(layer.receive(channel)) == {"type": "a"}


async def test_a_channel_made_in_a_short_outage_gets_what_others_send_meanwhile(
    lab: Lab, layer: RabbitmqChannelLayer
):
    broker = await connected(layer)
    lab.lose_connections()
    channel = await layer.new_channel()
    await reconnected(broker)
    sender = await elsewhere(lab)
    await sender.send(channel, encoded({"type": "a"}))
    assert await within(layer.receive(channel)) == {"type": "a"}


async def test_without_a_broker_there_is_no_channel_and_the_error_says_so(
    lab: Lab, layer: RabbitmqChannelLayer, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(channel_layer, "TIMEOUT_SECONDS", 0.2)
    await lab.go_down()
    with pytest.raises(BrokerUnavailable, match="no process can send to this one"):
        await layer.new_channel()
    await lab.come_back()
    await within(get_broker().wait_connected())
    channel = await layer.new_channel()
    await layer.send(channel, {"type": "a"})
    assert await within(layer.receive(channel)) == {"type": "a"}


async def test_names_do_not_repeat_when_the_random_generator_does(layer: RabbitmqChannelLayer):
    names = set()
    for _ in range(3):
        random.seed(1)
        names.add(await layer.new_channel())
    assert len(names) == 3


async def test_a_channel_has_the_prefix_that_was_asked_for(layer: RabbitmqChannelLayer):
    assert (await layer.new_channel()).startswith("specific.")
    assert (await layer.new_channel("websocket.receive")).startswith("websocket.receive.")
    assert (await layer.new_channel(prefix="chat")).startswith("chat.")
    for prefix in ("x" * 80, "with space", "a!b"):
        with pytest.raises(TypeError):
            await layer.new_channel(prefix)


@pytest.mark.parametrize("name", INVALID_NAMES)
async def test_an_invalid_channel_name_is_a_type_error(layer: RabbitmqChannelLayer, name: Any):
    channel = await layer.new_channel()
    for refused in (
        layer.send(name, {"type": "a"}),
        layer.receive(name),
        layer.group_add("g", name),
        layer.group_discard("g", name),
    ):
        with pytest.raises(TypeError):
            await within(refused)
    await silent(layer, channel)


@pytest.mark.parametrize("name", [*INVALID_NAMES, "a!b"])
async def test_an_invalid_group_name_is_a_type_error(layer: RabbitmqChannelLayer, name: Any):
    channel = await layer.new_channel()
    for refused in (
        layer.group_add(name, channel),
        layer.group_discard(name, channel),
        layer.group_send(name, {"type": "a"}),
    ):
        with pytest.raises(TypeError):
            await within(refused)


async def test_the_longest_name_of_a_group_is_taken(layer: RabbitmqChannelLayer):
    await connected(layer)
    longest = "a-B_9." + "x" * 93
    channel = await layer.new_channel()
    await layer.group_add(longest, channel)
    await layer.group_send(longest, {"type": "a"})
    assert await within(layer.receive(channel)) == {"type": "a"}


@pytest.mark.parametrize("name", FOREIGN_NAMES)
async def test_a_name_with_the_prefix_of_no_process_is_not_received_on(
    lab: Lab, layer: RabbitmqChannelLayer, name: str
):
    broker = await connected(layer)
    for error in (ChannelNotOurs, AssertionError, ValueError):  # AssertionError is the reference layer's
        with pytest.raises(error):
            await within(layer.receive(name))
    await layer.send(name, {"type": "lost"})
    await a_moment(broker)


@pytest.mark.parametrize("message", ["text", None, ["a"], 5])
async def test_a_message_that_is_no_dictionary_is_a_type_error(layer: RabbitmqChannelLayer, message: Any):
    await connected(layer)
    channel = await layer.new_channel()
    for refused in (
        layer.send(channel, message),
        layer.group_send("g", message),
    ):
        with pytest.raises(TypeError):
            await within(refused)


async def test_a_message_over_the_limit_is_too_large_wherever_it_is_for(
    lab: Lab, layer: RabbitmqChannelLayer
):
    await connected(layer)
    other = await elsewhere(lab)
    here, there = await layer.new_channel(), f"x.{other.broker.reply_queue.instance_id}!c1"
    await layer.group_add("g", here)
    message = of_size(MAX_CHANNEL_BODY_BYTES + 1)
    for refused in (
        layer.send(here, message),
        layer.send(there, message),
        layer.group_send("g", message),
        layer.group_send("nobody", message),
    ):
        with pytest.raises(MessageTooLarge, match="over the limit"):
            await within(refused)
    await silent(layer, here)


async def test_a_message_of_just_the_limit_passes_wherever_it_is_for(lab: Lab, layer: RabbitmqChannelLayer):
    await connected(layer)
    other = await elsewhere(lab)
    here, there = await layer.new_channel(), f"x.{other.broker.reply_queue.instance_id}!c1"
    message = of_size(MAX_CHANNEL_BODY_BYTES)
    await layer.group_add("g", here)
    await layer.send(here, message)
    await layer.group_send("g", message)
    await layer.send(there, message)
    for channel in (here, here):
        assert await within(layer.receive(channel)) == message
    assert await within(other.receive(there)) == encoded(message)


def test_the_layer_names_its_errors_and_extensions_as_the_specification_asks():
    layer = RabbitmqChannelLayer()
    assert layer.ChannelFull is exceptions.ChannelFull
    assert layer.MessageTooLarge is exceptions.MessageTooLarge
    assert set(layer.extensions) == {"groups", "flush"}
    assert layer.group_expiry == 86_400


async def test_a_full_channel_takes_messages_again_when_one_was_read(layer: RabbitmqChannelLayer):
    await connected(layer)
    channel = await layer.new_channel()
    for number in range(3):
        await layer.send(channel, {"type": "a", "n": number})
    with pytest.raises(ChannelFull):
        await layer.send(channel, {"type": "a", "n": "too many"})
    assert (await layer.receive(channel))["n"] == 0
    await layer.send(channel, {"type": "a", "n": 3})
    assert [(await within(layer.receive(channel)))["n"] for _ in range(3)] == [1, 2, 3]


async def test_a_group_never_says_that_a_member_is_full(layer: RabbitmqChannelLayer):
    await connected(layer)
    here = await layer.new_channel()
    await layer.group_add("g", here)
    for number in range(8):
        await layer.group_send("g", {"type": "a", "n": number})
    assert [(await within(layer.receive(here)))["n"] for _ in range(3)] == [0, 1, 2]


async def test_expired_messages_make_room_and_newer_ones_stay(lab: Lab):
    layer = RabbitmqChannelLayer(lab.url, lab.prefix, capacity=2, expiry=0.2)
    channel = await layer.new_channel()
    for _ in range(2):
        await layer.send(channel, {"type": "old"})
    async with asyncio.timeout(20):
        while True:  # until the old messages have expired
            try:
                await layer.send(channel, {"type": "new"})
                break
            except ChannelFull:
                await asyncio.sleep(0.05)
    assert await within(layer.receive(channel)) == {"type": "new"}
    await silent(layer, channel)


async def test_nothing_is_kept_of_a_channel_whose_messages_were_never_read(lab: Lab):
    layer = RabbitmqChannelLayer(lab.url, lab.prefix, expiry=0.1)
    channel = await layer.new_channel()
    await layer.send(channel, {"type": "old"})
    local = layer.traffic().local
    async with asyncio.timeout(20):
        while local.has(channel.partition("!")[2]):  # noqa: ASYNC110 (no event reports it)
            await asyncio.sleep(0.02)
    await silent(layer, channel)


async def test_a_group_reaches_every_channel_of_one_prefix_but_those_that_left(
    layer: RabbitmqChannelLayer,
):
    await connected(layer)
    channels = [await layer.new_channel(prefix="same") for _ in range(3)]
    for channel in channels:
        await layer.group_add("g", channel)
    await layer.group_discard("g", channels[1])
    await layer.group_send("g", {"type": "a"})
    for channel in (channels[0], channels[2]):
        assert await within(layer.receive(channel)) == {"type": "a"}
    await silent(layer, channels[1])


async def test_who_was_never_a_member_may_leave(layer: RabbitmqChannelLayer):
    await connected(layer)
    channel = await layer.new_channel()
    await layer.group_discard("g", channel)
    await layer.group_add("g", channel)
    await layer.group_discard("g", channel)
    await layer.group_discard("g", channel)
    await layer.group_send("g", {"type": "a"})
    await silent(layer, channel)


async def test_a_channel_in_several_groups_leaves_one_of_them(layer: RabbitmqChannelLayer):
    await connected(layer)
    channel = await layer.new_channel()
    for group in ("g", "h"):
        await layer.group_add(group, channel)
    await layer.group_discard("g", channel)
    await layer.group_send("g", {"type": "a"})
    await layer.group_send("h", {"type": "b"})
    assert await within(layer.receive(channel)) == {"type": "b"}
    await silent(layer, channel)


async def test_after_a_flush_the_layer_is_like_new(layer: RabbitmqChannelLayer):
    await connected(layer)
    channel = await layer.new_channel()
    await layer.group_add("g", channel)
    for _ in range(3):
        await layer.send(channel, {"type": "old"})
    await layer.flush()
    await layer.flush()
    await layer.group_send("g", {"type": "lost"})
    await layer.group_add("g", channel)
    await layer.group_send("g", {"type": "new"})
    assert await within(layer.receive(channel)) == {"type": "new"}
    await silent(layer, channel)


async def test_a_foreign_answer_that_cannot_be_passed_on_disturbs_nobody(
    lab: Lab, layer: RabbitmqChannelLayer
):
    broker = await connected(layer)
    other = await lab.broker()
    channel = await layer.new_channel()
    reading = asyncio.create_task(layer.receive(channel))
    await asyncio.sleep(0)
    for body in (b'{"n": 99999999999999999999999999}', b"\xff", b"{"):
        answer = Envelope(type="reply", body=body, correlation_id=channel.partition("!")[2])
        await other.publish(other.topology.replies, broker.reply_queue.name, answer, timeout_seconds=5)
    await a_moment(broker)
    assert broker.reply_queue.late_replies == 3
    await layer.send(channel, {"type": "a"})
    assert await within(reading) == {"type": "a"}
