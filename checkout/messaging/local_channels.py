"""Channels that live in this process: bounded, expiring, first in first out, constant time per operation."""

import asyncio
from collections import deque
from contextlib import suppress
from dataclasses import dataclass, field


@dataclass(slots=True)
class _Mailbox:
    """There are messages or readers, never both for longer than a reader takes to wake up."""

    messages: deque[tuple[float, bytes]] = field(default_factory=deque)  # (loop time of expiry, message)
    readers: deque[asyncio.Future[bytes]] = field(default_factory=deque)
    timer: asyncio.TimerHandle | None = None


class LocalChannels:
    """Messages by channel, as encoded bytes. A channel without messages and readers takes no memory.

    Used on one event loop only. ``expiry_seconds`` is how long an unread message is kept.
    """

    def __init__(self, expiry_seconds: float) -> None:
        self.expiry_seconds = expiry_seconds
        self._boxes: dict[str, _Mailbox] = {}
        self._loop = asyncio.get_running_loop()

    def put(self, channel: str, message: bytes, capacity: int) -> bool:
        """Whether there was room for the message."""
        box = self._boxes.get(channel)
        if box is None:
            box = self._boxes[channel] = _Mailbox()
        elif self._hand_over(box, message):
            return True
        self._drop_expired(box)
        if len(box.messages) >= capacity:
            return False
        box.messages.append((self._loop.time() + self.expiry_seconds, message))
        self._watch_expiry(channel, box)
        return True

    async def get(self, channel: str) -> bytes:
        """The channel's oldest message, waiting for one; a cancelled wait loses none."""
        box = self._boxes.get(channel)
        if box is None:
            box = self._boxes[channel] = _Mailbox()
        try:
            self._drop_expired(box)
            if box.messages:
                return box.messages.popleft()[1]
            reader = self._loop.create_future()
            box.readers.append(reader)
            try:
                message: bytes = await reader
                return message
            except asyncio.CancelledError:
                if reader.cancelled():
                    # A message that came in this same moment has passed it over already.
                    with suppress(ValueError):
                        box.readers.remove(reader)
                else:
                    self._give_back(channel, reader.result())
                raise
        finally:
            self._forget_if_idle(channel, box)

    def has(self, channel: str) -> bool:
        """Whether somebody reads the channel, or it holds messages."""
        return channel in self._boxes

    def clear(self) -> None:
        """Drop all messages; readers go on waiting."""
        for channel, box in list(self._boxes.items()):
            box.messages.clear()
            self._forget_if_idle(channel, box)

    @staticmethod
    def _hand_over(box: _Mailbox, message: bytes) -> bool:
        while box.readers:
            reader = box.readers.popleft()
            if not reader.done():
                reader.set_result(message)
                return True
        return False

    def _give_back(self, channel: str, message: bytes) -> None:
        """A reader was cancelled in the moment in which it got this: another one has it, or the next."""
        box = self._boxes.get(channel)
        if box is None:
            box = self._boxes[channel] = _Mailbox()
        if not self._hand_over(box, message):
            box.messages.appendleft((self._loop.time() + self.expiry_seconds, message))
            self._watch_expiry(channel, box)

    def _drop_expired(self, box: _Mailbox) -> None:
        while box.messages and box.messages[0][0] <= self._loop.time():
            box.messages.popleft()

    def _watch_expiry(self, channel: str, box: _Mailbox) -> None:
        if box.timer is None:
            box.timer = self._loop.call_later(self.expiry_seconds, self._expire, channel)

    def _expire(self, channel: str) -> None:
        box = self._boxes[channel]
        box.timer = None
        self._drop_expired(box)
        if box.messages:
            box.timer = self._loop.call_at(box.messages[0][0], self._expire, channel)
        self._forget_if_idle(channel, box)

    def _forget_if_idle(self, channel: str, box: _Mailbox) -> None:
        if box.messages or box.readers or self._boxes.get(channel) is not box:
            return
        if box.timer is not None:
            box.timer.cancel()
        del self._boxes[channel]
