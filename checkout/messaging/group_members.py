"""Which local channels are in which group. A group is bound on the broker once per process."""

import asyncio
import time
from collections.abc import Iterator

from checkout.messaging.broker import Broker


class GroupMembers:
    """Members by group, with the time at which a membership ends; the binding follows the first and last."""

    def __init__(self, broker: Broker, expiry_seconds: float) -> None:
        self._broker = broker
        self._expiry_seconds = expiry_seconds
        self._members: dict[str, dict[str, float]] = {}
        self._binding: dict[str, asyncio.Future[None]] = {}

    async def add(self, group: str, channel: str) -> None:
        """Returns when messages to the group reach this process (if the broker is connected)."""
        self._members.setdefault(group, {})[channel] = time.monotonic() + self._expiry_seconds
        if group not in self._binding:
            bind = self._broker.bind(self._broker.topology.groups, group)
            self._binding[group] = asyncio.ensure_future(bind)
        await asyncio.shield(self._binding[group])

    async def discard(self, group: str, channel: str) -> None:
        """Does nothing when the channel is not a member."""
        members = self._members.get(group, {})
        members.pop(channel, None)
        if not members:
            await self._leave(group)

    async def clear(self) -> None:
        """Leave every group."""
        for group in list(self._members):
            await self._leave(group)

    def of(self, group: str) -> Iterator[str]:
        """The group's members here."""
        now = time.monotonic()
        for channel, expires_at in list(self._members.get(group, {}).items()):
            if expires_at > now:
                yield channel
            else:
                del self._members[group][channel]

    async def _leave(self, group: str) -> None:
        self._members.pop(group, None)
        if self._binding.pop(group, None) is not None:
            await self._broker.unbind(self._broker.topology.groups, group)
