"""The local channels in each group. A group is bound on the broker once per process."""

import asyncio
from collections.abc import Collection

from messaging.broker import Broker


class GroupMembers:
    """The members of each group, until their membership expires. Used on one event loop only.

    The first member of a group makes the process bind it on the broker, and the last one to leave unbinds it.
    ``expiry_seconds`` is the lifetime of a membership that is not renewed.
    """

    def __init__(self, broker: Broker, expiry_seconds: float) -> None:
        self.expiry_seconds = expiry_seconds
        self._broker = broker
        self._loop = asyncio.get_running_loop()
        self._members: dict[str, dict[str, asyncio.TimerHandle]] = {}
        self._bound: set[str] = set()
        self._settling: dict[str, asyncio.Task[None]] = {}

    async def add(self, group: str, channel: str) -> None:
        """Add a member. Wait until the broker has bound the group, if it is connected.

        From then on, messages to the group reach this process. After a lost connection it may take longer
        until they do, because thousands of groups are bound again in batches.
        """
        members = self._members.setdefault(group, {})
        if channel in members:
            members[channel].cancel()
        members[channel] = self._loop.call_later(self.expiry_seconds, self._end, group, channel)
        if len(members) == 1:
            self._settle(group)
        await self._settled(group)

    async def discard(self, group: str, channel: str) -> None:
        """Remove a member. Does nothing if the channel is not one.

        Returns before the broker has removed the binding, so that an unresponsive broker delays nobody. A
        message that still arrives reaches no member.
        """
        self._end(group, channel)

    async def clear(self) -> None:
        """Leave every group."""
        groups = list(self._members)
        for group in groups:
            for channel in list(self._members[group]):
                self._end(group, channel)
        for group in groups:
            await self._settled(group)

    def of(self, group: str) -> Collection[str]:
        """Return the group's members in this process."""
        return list(self._members.get(group, ()))

    def _end(self, group: str, channel: str) -> None:
        members = self._members.get(group, {})
        if channel not in members:
            return
        members.pop(channel).cancel()
        if not members:
            del self._members[group]
            self._settle(group)

    def _settle(self, group: str) -> None:
        change = self._update_binding(group, self._settling.get(group))
        self._settling[group] = self._loop.create_task(change)

    async def _settled(self, group: str) -> None:
        if group in self._settling:
            await asyncio.shield(self._settling[group])

    async def _update_binding(self, group: str, earlier: asyncio.Task[None] | None) -> None:
        """Make the group's binding match its members. Changes of one group run one after another."""
        if earlier is not None:
            await asyncio.wait({earlier})
        is_bound, is_wanted = group in self._bound, group in self._members
        exchange = self._broker.topology.groups
        if is_wanted and not is_bound:
            self._bound.add(group)
            await self._broker.bind(exchange, group)
        elif is_bound and not is_wanted:
            self._bound.discard(group)
            await self._broker.unbind(exchange, group)
        if self._settling.get(group) is asyncio.current_task():
            del self._settling[group]
