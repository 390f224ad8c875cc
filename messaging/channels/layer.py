"""A Channels layer on the broker (Channels 4.3, ``docs/channel_layer_spec.rst``)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from functools import lru_cache
from itertools import count
from typing import Any

import msgspec
import structlog
from channels.exceptions import ChannelFull, MessageTooLarge
from channels.layers import BaseChannelLayer

from messaging.access.participants import registered
from messaging.broker import Broker
from messaging.channels.groups import GroupMembers
from messaging.channels.local_channels import LocalChannels
from messaging.channels.pending_replies import PendingReplies
from messaging.delivery import Delivery
from messaging.envelope import CHANNEL, JSON, MAX_CHANNEL_BODY_BYTES, ORIGIN, Envelope
from messaging.errors import MalformedMessage, MessagingError, Undeliverable
from messaging.logs.limited import write_limited
from messaging.registry import get_broker
from messaging.reply_queue import LONGEST_SUBJECT

log = structlog.get_logger(__name__)

MSGPACK = "application/msgpack"
TO_CHANNEL = "channel.message"
TO_GROUP = "group.message"
TIMEOUT_SECONDS = 5.0
DEFAULT_BOUNDS = (100, 60, 86_400)  # capacity, expiry, group_expiry


class ChannelNotOurs(ValueError, AssertionError):
    """The channel does not belong to this process: its name has another process's id, or none.

    It is also an AssertionError because channels_redis raises that, and programs may expect it.
    """


class RabbitmqChannelLayer(BaseChannelLayer):  # type: ignore[misc]
    """Process-local channels arrive on the process's one queue; groups are bindings of that queue.

    Extensions: groups, flush. Delivery is at most once. ``send`` raises ChannelFull; both sends raise
    BrokerUnavailable, PublishUncertain and so on when the broker fails, and MessageTooLarge for a message
    over 2 MiB, wherever its receivers are. Messages may contain MessagePack's types: byte strings, strings,
    64-bit integers, floats, booleans, None, lists and dictionaries.

    Deviations from the specification:

    - A process-local channel belongs to an event loop rather than a process if a process has several.
    - There are no channels that any process may read: ``send``, ``receive`` and ``group_add`` raise
      ChannelNotOurs for a name that ``new_channel`` has not made.
    - ChannelFull is raised for channels of this process; the capacity of a channel in another process is
      enforced there, silently.
    - Each channel has its own capacity; the channels of a process do not share one.
    - A message to a process that has ended, or to an id that no process has, is dropped silently.
    - A group's members are known only to the process that added them, so ``group_discard`` must be called
      there. Channels from ``new_channel`` are naturally used that way.
    - Layers of one address and prefix share their channels in a process. The bounds of the layer that was
      used last apply.
    - ``flush`` empties this process's channels and memberships.
    """

    extensions = ["groups", "flush"]
    ChannelFull = ChannelFull
    MessageTooLarge = MessageTooLarge

    def __init__(
        self,
        url: str | None = None,
        prefix: str | None = None,
        capacity: int = 100,
        expiry: float = 60,
        group_expiry: float = 86_400,
        channel_capacity: Mapping[str, int] | None = None,
    ) -> None:
        """``url`` and ``prefix`` default to the settings; ``expiry`` and ``group_expiry`` are in seconds."""
        super().__init__(expiry=expiry, capacity=capacity)
        self.channel_capacity = self.compile_capacities(channel_capacity or {})
        self.group_expiry = group_expiry
        self._url = url
        self._prefix = prefix
        # A layer with the default limits, such as the one for replies, must not overwrite the limits of
        # another layer.
        self._has_bounds = bool(channel_capacity) or (capacity, expiry, group_expiry) != DEFAULT_BOUNDS

    def require_valid_channel_name(self, name: str, receive: bool = False) -> bool:
        """See BaseChannelLayer; raises TypeError."""
        return _require_valid_channel_name(name, receive)

    async def new_channel(self, prefix: str = "specific") -> str:
        """Return a name on which only this process receives, once other processes can send to it.

        Other processes can send while this process's queue exists on the broker; it survives a lost
        connection for minutes. Raises BrokerUnavailable if there is no such queue within five seconds, and
        TypeError for a prefix that makes the name invalid.
        """
        here = self.traffic()
        name = f"{prefix}.{here.broker.reply_queue.instance_id}!c{next(here.numbers):x}"
        self.require_valid_channel_name(name)
        if not here.broker.is_reachable:
            await here.broker.wait_reachable(timeout_seconds=TIMEOUT_SECONDS)
        return name

    async def send(self, channel: str, message: dict[str, Any]) -> None:
        """See the class."""
        self.require_valid_channel_name(channel)
        await self.traffic().send(channel, _encode(message))

    async def receive(self, channel: str) -> Any:
        """Return the next message on ``channel``, waiting for one. A cancelled call loses no message.

        Raises ChannelNotOurs if this process does not read the channel.
        """
        self.require_valid_channel_name(channel)
        while True:
            body = await self.traffic().receive(channel)
            try:
                return msgspec.msgpack.decode(body)
            except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
                # The message comes from another program. An error would end the consumer that reads the
                # channel.
                reason = str(error)
                write_limited(log.warning, "message to a channel dropped", channel=channel, reason=reason)

    async def group_add(self, group: str, channel: str) -> None:
        """Make ``channel`` a member, also after a reconnection. Adding it again renews the membership.

        See ``GroupMembers.add`` for when messages to the group arrive.
        """
        self.require_valid_group_name(group)
        self.require_valid_channel_name(channel)
        _place(channel)
        await self.traffic().members.add(group, channel)

    async def group_discard(self, group: str, channel: str) -> None:
        """Remove ``channel`` from the group."""
        self.require_valid_group_name(group)
        self.require_valid_channel_name(channel)
        await self.traffic().members.discard(group, channel)

    async def group_send(self, group: str, message: dict[str, Any]) -> None:
        """Send to every member; a member that is at its capacity misses the message."""
        self.require_valid_group_name(group)
        await self.traffic().group_send(group, _encode(message))

    async def flush(self) -> None:
        """See the class."""
        await self.traffic().flush()

    def traffic(self) -> Traffic:
        """Return the traffic of the running loop, which ``rpc`` uses, too. Not in the specification."""
        broker = get_broker(self._url, self._prefix)
        traffic = broker.reply_queue.channels
        if not isinstance(traffic, Traffic):
            traffic = broker.reply_queue.channels = Traffic(
                broker, self.expiry, self.group_expiry, self.get_capacity
            )
        elif self._has_bounds:
            traffic.bound(self.expiry, self.group_expiry, self.get_capacity)
        return traffic


class Traffic:
    """The part of the layer that belongs to one event loop and its broker."""

    def __init__(
        self, broker: Broker, expiry: float, group_expiry: float, capacity_of: Callable[[str], int]
    ) -> None:
        self.broker = broker
        self.local = LocalChannels(expiry)
        self.replies = PendingReplies()
        self.members = GroupMembers(broker, group_expiry)
        self.numbers = count()
        self._capacity_of = capacity_of
        self._forwarding: set[asyncio.Task[None]] = set()

    def bound(self, expiry: float, group_expiry: float, capacity_of: Callable[[str], int]) -> None:
        """Use these limits from now on; existing messages and memberships keep theirs."""
        self.local.expiry_seconds = expiry
        self.members.expiry_seconds = group_expiry
        self._capacity_of = capacity_of

    @property
    def waiting(self) -> int:
        """See ChannelTraffic."""
        return len(self.replies)

    def end_waits(self, error: Callable[[], Exception], *, only_sent: bool) -> None:
        """See ChannelTraffic."""
        self.replies.fail_all(error, only_sent=only_sent)

    def take(self, delivery: Delivery) -> bool:
        """See ChannelTraffic."""
        envelope = delivery.envelope
        about = envelope or delivery.remains
        if about is not None and about.correlation_id in self.replies:
            is_json = about.content_type == JSON
            return self._take_reply(about, delivery.defect or ("" if is_json else "no application/json"))
        if envelope is None:
            return False
        if self._is_push(envelope) and self._is_of_stranger(envelope):
            return False
        if envelope.type == TO_GROUP:
            # The process that sent the message has already given it to its own members, in order with its
            # other messages.
            if envelope.headers.get(ORIGIN) != self.broker.reply_queue.instance_id:
                self._put_to_members(delivery.routing_key, envelope.body)
            return True
        if envelope.type == TO_CHANNEL:
            channel = str(envelope.headers.get(CHANNEL, ""))
            self.local.put(_place(channel)[1], envelope.body, self._capacity_of(channel))
            return True
        return self._take_foreign(envelope)

    def _take_reply(self, envelope: Envelope, defect: str) -> bool:
        """Take a reply if its sender may answer for the service that was asked, or relays for it.

        A reply that breaks the contract ends the wait with an error.
        """
        table = registered()
        if table is not None:
            asked = [self.replies.asked(envelope.correlation_id)]
            if fault := table.fault_of_reply(self.broker.topology, envelope.user_id, asked):
                self.broker.reply_queue.not_entitled += 1
                subject = envelope.subject[:LONGEST_SUBJECT]
                write_limited(log.error, "reply of a stranger", reason=fault, subject=subject)
                return False
        if defect:
            self.replies.fail(envelope.correlation_id, MalformedMessage(f"not a reply: {defect}"))
            return True
        return self.replies.give(envelope.correlation_id, envelope.body)

    def _is_push(self, envelope: Envelope) -> bool:
        return envelope.type in (TO_GROUP, TO_CHANNEL) or self.local.has(envelope.correlation_id)

    def _is_of_stranger(self, envelope: Envelope) -> bool:
        """Return True if the sender may not send to channels and groups."""
        table = registered()
        fault = table.push_error(self.broker.topology, envelope.user_id) if table is not None else ""
        if fault:
            self.broker.reply_queue.not_entitled += 1
            write_limited(log.error, "push of a stranger", reason=fault)
        return bool(fault)

    def _take_foreign(self, envelope: Envelope) -> bool:
        """Take JSON from a program that only knows ``reply_to`` and the local part of the channel's name."""
        channel = envelope.correlation_id
        if envelope.content_type != JSON or not self.local.has(channel):
            return False
        try:
            content = msgspec.json.decode(envelope.body)
            message = {"type": envelope.type} | (
                content if isinstance(content, dict) else {"content": content}
            )
            body = _encode(message)
        except (msgspec.DecodeError, UnicodeError, RecursionError, OverflowError):
            return False  # not JSON, nested too deeply, or a number too long to pass on
        return self.local.put(channel, body, self._capacity_of(channel))

    async def send(self, channel: str, body: bytes) -> None:
        instance_id, name = _place(channel)
        if instance_id == self.broker.reply_queue.instance_id:
            if not self.local.put(name, body, self._capacity_of(channel)):
                raise ChannelFull(channel)
        else:
            queue = self.broker.topology.instance_queue_name(instance_id)
            envelope = Envelope(type=TO_CHANNEL, body=body, content_type=MSGPACK, headers={CHANNEL: channel})
            await self._publish(self.broker.topology.replies, queue, envelope)

    def receive(self, channel: str) -> Coroutine[Any, Any, bytes]:
        # Not a coroutine itself, which saves one for each reader: a message to a group wakes all of its
        # readers at once.
        instance_id, name = _place(channel)
        if instance_id == self.broker.reply_queue.instance_id:
            return self.local.get(name)
        raise ChannelNotOurs(f"{channel} belongs to another process, or to none")

    async def group_send(self, group: str, body: bytes) -> None:
        self._put_to_members(group, body)
        envelope = Envelope(
            type=TO_GROUP,
            body=body,
            content_type=MSGPACK,
            headers={ORIGIN: self.broker.reply_queue.instance_id},
        )
        await self._publish(self.broker.topology.groups, group, envelope)

    async def flush(self) -> None:
        self.local.clear()
        await self.members.clear()

    def _put_to_members(self, group: str, body: bytes) -> None:
        for channel in self.members.of(group):
            instance_id, name = _place(channel)
            if instance_id == self.broker.reply_queue.instance_id:
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
            return  # at most once: the process has ended, or no other process has members


def _encode(message: dict[str, Any]) -> bytes:
    if not isinstance(message, dict):
        raise TypeError("a message is a dictionary")
    body = msgspec.msgpack.encode(message)
    if len(body) > MAX_CHANNEL_BODY_BYTES:
        raise MessageTooLarge(f"a message of {len(body)} bytes is over the limit of {MAX_CHANNEL_BODY_BYTES}")
    return body


# Cached, because every message needs the parsed names of the same few channels.
@lru_cache(maxsize=16_384)
def _place(channel: str) -> tuple[str, str]:
    """Return the id of the process that alone reads the channel, and the channel's name in that process.

    ``new_channel`` makes names of a prefix, a full stop, the id, "!" and the local name. Raises
    ChannelNotOurs for any other name.
    """
    owner, mark, name = channel.partition("!")
    if not mark:
        raise ChannelNotOurs(f"{channel} is no name that new_channel has made, so no process reads it")
    return owner.rpartition(".")[2], name


@lru_cache(maxsize=16_384)
def _require_valid_channel_name(name: str, receive: bool) -> bool:
    is_valid: bool = BaseChannelLayer().require_valid_channel_name(name, receive)
    return is_valid
