"""The groups of the Channels specification, on both brokers."""

import asyncio

import pytest

from messaging.broker import Broker
from messaging.channels.layer import RabbitmqChannelLayer
from messaging.envelope import Envelope
from messaging.errors import BrokerUnavailable, Undeliverable
from tests.contracts.layers import connected, decoded, elsewhere, encoded, silent
from tests.support.brokers import Lab, a_moment, lost, reconnected, within


async def test_a_group_reaches_its_members_in_every_process(lab: Lab, layer: RabbitmqChannelLayer):
    await connected(layer)
    other = await elsewhere(lab)
    mine, theirs, outsider = (
        await layer.new_channel(),
        f"x.{other.broker.reply_queue.instance_id}!c1",
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


async def test_a_membership_that_is_prolonged_does_not_expire(lab: Lab):
    members = (await elsewhere(lab)).members
    members.expiry_seconds = 0.1
    for channel in ("prolonged", "not"):
        await members.add("g", channel)
    members.expiry_seconds = 60
    await members.add("g", "prolonged")
    async with asyncio.timeout(20):
        while "not" in members.of("g"):  # noqa: ASYNC110  nobody announces it
            await asyncio.sleep(0.01)
    assert members.of("g") == ["prolonged"]


async def test_when_the_last_membership_has_expired_the_group_is_left(lab: Lab):
    layer = RabbitmqChannelLayer(lab.url, lab.prefix, group_expiry=0)
    await connected(layer)
    await layer.group_add("g", await layer.new_channel())
    sender = await lab.broker()
    await within(nobody_is_bound(sender))


async def test_who_leaves_and_comes_back_at_once_is_a_member(lab: Lab, layer: RabbitmqChannelLayer):
    await connected(layer)
    other = await elsewhere(lab)
    channel = await layer.new_channel()
    await layer.group_add("g", channel)
    for _ in range(5):
        await asyncio.gather(layer.group_discard("g", channel), layer.group_add("g", channel))
    await other.group_send("g", encoded({"type": "a"}))
    assert await within(layer.receive(channel)) == {"type": "a"}


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


async def test_a_group_that_was_left_without_a_broker_is_not_bound_when_it_comes(
    lab: Lab, layer: RabbitmqChannelLayer
):
    broker = await connected(layer)
    channel = await layer.new_channel()
    await layer.group_add("g", channel)
    await lab.go_down()
    await within(lost(broker))
    await layer.group_discard("g", channel)
    await lab.come_back()
    await within(broker.wait_connected())
    sender = await lab.broker()
    await within(nobody_is_bound(sender))


async def nobody_is_bound(sender: Broker) -> None:
    """Send to the group until no process gets it."""
    envelope = Envelope(type="group.message", body=encoded({"type": "a"}), content_type="application/msgpack")
    while True:
        try:
            await sender.publish(sender.topology.groups, "g", envelope, timeout_seconds=5)
        except Undeliverable:
            return


async def test_groups_joined_without_a_broker_work_when_it_comes(lab: Lab, layer: RabbitmqChannelLayer):
    await connected(layer)
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
