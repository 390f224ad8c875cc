"""A Channels layer on the broker (Channels 4.3, ``docs/channel_layer_spec.rst``)."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Coroutine, Mapping
from functools import lru_cache
from itertools import count
from typing import Any

import msgspec
from channels.exceptions import ChannelFull
from channels.layers import BaseChannelLayer

from checkout.errors import (
    MessagingError,
    PublishRefused,
    Undeliverable,
)
from checkout.messaging.broker import Broker, Delivery, get_broker
from checkout.messaging.envelope import JSON, Envelope
from checkout.messaging.group_members import GroupMembers
from checkout.messaging.local_channels import LocalChannels
from checkout.messaging.replies import Replies

MSGPACK = "application/msgpack"
TO_CHANNEL = "channel.message"
TO_GROUP = "group.message"
ORIGIN = "origin"
CHANNEL = "channel"
TIMEOUT_SECONDS = 5.0
DEFAULT_BOUNDS = (100, 60, 86_400)  # capacity, expiry, group_expiry

# prefix . boot id ! local part, as new_channel makes them
_OF_A_PROCESS = re.compile(r"\.([0-9a-f]{20})!")


class RabbitmqChannelLayer(BaseChannelLayer):  # type: ignore[misc]
    """Process-local channels arrive on the process's one queue; groups are bindings of that queue.

    Extensions: groups, flush. Delivery is at most once. ``send`` raises ChannelFull; both sends raise
    BrokerUnavailable, PublishUncertain and so on when the broker fails, and MalformedMessage for a message
    over 2 MiB. Messages may hold what MessagePack does: byte strings, strings, 64-bit integers, floats,
    booleans, None, lists and dictionaries.

    Deviations from the specification:

    - A process-local channel belongs to an event loop rather than a process, if a process has several.
    - ChannelFull is raised for channels of this process and for channels that any process may read; the
      capacity of a channel in another process is enforced there, silently.
    - A group's members are known to the process that added them, which is also where ``group_discard`` must
      be called. For channels from ``new_channel`` this is the natural place.
    - Layers of one address and prefix share their channels in a process, and the bounds of whichever was used
      last. Processes that share a channel must agree on its capacity and expiry.
    - ``flush`` empties this process's channels, memberships, and the shared channels it has used.
    - Reading a channel that any process may read costs several round trips per message: use process-local
      channels and groups where speed matters.
    """

    extensions = ["groups", "flush"]

    def __init__(
        self,
        url: str | None = None,
        prefix: str | None = None,
        capacity: int = 100,
        expiry: int = 60,
        group_expiry: int = 86_400,
        channel_capacity: Mapping[str, int] | None = None,
    ) -> None:
        """``url`` and ``prefix`` default to the settings; ``expiry`` and ``group_expiry`` are in seconds."""
        super().__init__(expiry=expiry, capacity=capacity)
        self.channel_capacity = self.compile_capacities(channel_capacity or {})
        self.group_expiry = group_expiry
        self._url = url
        self._prefix = prefix
        # A layer that leaves the bounds as they are, such as the one that replies arrive by, sets none.
        self._has_bounds = bool(channel_capacity) or (capacity, expiry, group_expiry) != DEFAULT_BOUNDS

    def require_valid_channel_name(self, name: str, receive: bool = False) -> bool:
        """See BaseChannelLayer; raises TypeError."""
        return _require_valid_channel_name(name, receive)

    async def new_channel(self, prefix: str = "specific") -> str:
        """A name that only this process receives on."""
        here = self._here()
        return f"{prefix}.{here.broker.node.boot_id}!c{next(here.numbers):x}"

    async def send(self, channel: str, message: dict[str, Any]) -> None:
        """See the class."""
        self.require_valid_channel_name(channel)
        await self._here().send(channel, _encode(message))

    async def receive(self, channel: str) -> Any:
        """The next message on ``channel``; waits for one. Cancelling loses none."""
        self.require_valid_channel_name(channel)
        return msgspec.msgpack.decode(await self._here().receive(channel))

    async def group_add(self, group: str, channel: str) -> None:
        """Make ``channel`` a member; restored after a reconnection. Again: prolongs the membership."""
        self.require_valid_group_name(group)
        self.require_valid_channel_name(channel)
        await self._here().members.add(group, channel)

    async def group_discard(self, group: str, channel: str) -> None:
        """End the membership."""
        self.require_valid_group_name(group)
        self.require_valid_channel_name(channel)
        await self._here().members.discard(group, channel)

    async def group_send(self, group: str, message: dict[str, Any]) -> None:
        """Send to every member; those that are full miss it."""
        self.require_valid_group_name(group)
        await self._here().group_send(group, _encode(message))

    async def flush(self) -> None:
        """See the class."""
        await self._here().flush()

    def traffic(self) -> Traffic:
        """What arrives on the running loop, beyond the specification: ``rpc`` waits for replies there."""
        return self._here()

    def _here(self) -> Traffic:
        broker = get_broker(self._url, self._prefix)
        traffic = broker.node.channels
        if not isinstance(traffic, Traffic):
            traffic = broker.node.channels = Traffic(
                broker, self.expiry, self.group_expiry, self.get_capacity
            )
        elif self._has_bounds:
            traffic.bound(self.expiry, self.group_expiry, self.get_capacity)
        return traffic


class Traffic:
    """The part of the layer that belongs to one event loop and its broker."""

    def __init__(
        self, broker: Broker, expiry: int, group_expiry: int, capacity_of: Callable[[str], int]
    ) -> None:
        self.broker = broker
        self.local = LocalChannels(expiry)
        self.replies = Replies()
        self.members = GroupMembers(broker, group_expiry)
        self.numbers = count()
        self._expiry = expiry
        self._capacity_of = capacity_of
        self._shared: set[str] = set()
        self._forwarding: set[asyncio.Task[None]] = set()

    def bound(self, expiry: int, group_expiry: int, capacity_of: Callable[[str], int]) -> None:
        """From now on these hold; what is there already keeps its own."""
        self.local.expiry_seconds = self._expiry = expiry
        self.members.expiry_seconds = group_expiry
        self._capacity_of = capacity_of

    @property
    def waiting(self) -> int:
        """See ChannelTraffic."""
        return len(self.replies)

    def end_waits(self, error: Callable[[], Exception]) -> None:
        """See ChannelTraffic."""
        self.replies.fail_all(error)

    def take(self, delivery: Delivery) -> bool:
        """See ChannelTraffic."""
        envelope = delivery.envelope
        if envelope is None:
            return False
        if envelope.content_type == JSON and envelope.correlation_id in self.replies:
            return self.replies.give(envelope.correlation_id, envelope.body)
        if envelope.type == TO_GROUP:
            # Members in the sending process have had it, in order with its other messages.
            if envelope.headers.get(ORIGIN) != self.broker.node.boot_id:
                self._put_to_members(delivery.routing_key, envelope.body)
            return True
        if envelope.type == TO_CHANNEL:
            channel = str(envelope.headers.get(CHANNEL, ""))
            self.local.put(_place(channel)[1], envelope.body, self._capacity_of(channel))
            return True
        return self._take_foreign(envelope)

    def _take_foreign(self, envelope: Envelope) -> bool:
        """JSON from a program that knows only ``reply_to`` and the local part of a channel's name."""
        channel = envelope.correlation_id
        if envelope.content_type != JSON or not self.local.has(channel):
            return False
        try:
            content = msgspec.json.decode(envelope.body)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return False
        message = {"type": envelope.type} | (content if isinstance(content, dict) else {"content": content})
        return self.local.put(channel, _encode(message), self._capacity_of(channel))

    async def send(self, channel: str, body: bytes) -> None:
        boot_id, name = _place(channel)
        if boot_id == self.broker.node.boot_id:
            if not self.local.put(name, body, self._capacity_of(channel)):
                raise ChannelFull(channel)
        elif boot_id:
            queue = f"{self.broker.topology.prefix}.node.{boot_id}"
            await self._publish(self.broker.topology.replies, queue, _to_channel(channel, body))
        else:
            await self._send_shared(channel, body)

    def receive(self, channel: str) -> Coroutine[Any, Any, bytes]:
        # No coroutine of its own: a group wakes all of its readers at once.
        boot_id, name = _place(channel)
        if boot_id == self.broker.node.boot_id:
            return self.local.get(name)
        if boot_id:
            raise ValueError(f"{channel} belongs to another process")
        return self._receive_shared(channel)

    async def group_send(self, group: str, body: bytes) -> None:
        self._put_to_members(group, body)
        envelope = Envelope(
            type=TO_GROUP,
            body=body,
            content_type=MSGPACK,
            headers={ORIGIN: self.broker.node.boot_id},
        )
        await self._publish(self.broker.topology.groups, group, envelope)

    async def flush(self) -> None:
        self.local.clear()
        await self.members.clear()
        for queue in self._shared:
            await self.broker.delete(queue)
        self._shared.clear()

    def _put_to_members(self, group: str, body: bytes) -> None:
        for channel in self.members.of(group):
            boot_id, name = _place(channel)
            if boot_id == self.broker.node.boot_id:
                self.local.put(name, body, self._capacity_of(channel))
            else:
                task = asyncio.get_running_loop().create_task(self._forward(channel, body))
                self._forwarding.add(task)
                task.add_done_callback(self._forwarding.discard)

    async def _forward(self, channel: str, body: bytes) -> None:
        try:
            await self.send(channel, body)
        except (MessagingError, ChannelFull):
            return

    async def _publish(self, exchange: str, routing_key: str, envelope: Envelope) -> None:
        try:
            await self.broker.publish(exchange, routing_key, envelope, timeout_seconds=TIMEOUT_SECONDS)
        except Undeliverable:
            return  # at most once: the process has gone, or the group has no members elsewhere

    async def _send_shared(self, channel: str, body: bytes) -> None:
        for _ in range(2):
            queue = await self._declare_shared(channel)
            envelope = _to_channel(channel, body)
            try:
                await self.broker.publish(
                    self.broker.topology.replies, queue, envelope, timeout_seconds=TIMEOUT_SECONDS
                )
            except PublishRefused:
                raise ChannelFull(channel) from None
            except Undeliverable:
                self._shared.discard(queue)  # unread for so long that the broker has deleted it
            else:
                return

    async def _declare_shared(self, channel: str) -> str:
        queue = self.broker.topology.channel_queue(
            channel, capacity=self._capacity_of(channel), expiry_seconds=self._expiry
        )
        if queue.name not in self._shared:
            await self.broker.declare(queue)
            self._shared.add(queue.name)
        return queue.name

    async def _receive_shared(self, channel: str) -> bytes:
        queue = await self._declare_shared(channel)
        arrived: asyncio.Future[Delivery] = asyncio.get_running_loop().create_future()

        def on_delivery(delivery: Delivery) -> None:
            if not arrived.done():
                arrived.set_result(delivery)

        consumption = await self.broker.consume(queue, on_delivery, prefetch=1)
        try:
            delivery = await arrived
            delivery.ack()
            return delivery.envelope.body if delivery.envelope else delivery.raw
        finally:
            await consumption.release()


def _encode(message: dict[str, Any]) -> bytes:
    if not isinstance(message, dict):
        raise TypeError("a message is a dictionary")
    return msgspec.msgpack.encode(message)


def _to_channel(channel: str, body: bytes) -> Envelope:
    return Envelope(type=TO_CHANNEL, body=body, content_type=MSGPACK, headers={CHANNEL: channel})


# The same names are asked for with every message.
@lru_cache(maxsize=16_384)
def _place(channel: str) -> tuple[str, str]:
    """Return the boot id of the process that alone reads the channel, if any, and its name there."""
    match = _OF_A_PROCESS.search(channel)
    return match.group(1) if match else "", channel.partition("!")[2]


@lru_cache(maxsize=16_384)
def _require_valid_channel_name(name: str, receive: bool) -> bool:
    is_valid: bool = BaseChannelLayer().require_valid_channel_name(name, receive)
    return is_valid
