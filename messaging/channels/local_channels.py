"""Channels that live in this process: any number of bounded FIFO queues whose messages expire."""

import asyncio
from collections import deque
from contextlib import suppress
from dataclasses import dataclass, field


@dataclass(slots=True)
class _Unread:
    """Unread messages, each with the loop's time at which it expires."""

    messages: deque[tuple[float, bytes]] = field(default_factory=deque)
    timer: asyncio.TimerHandle | None = None


class LocalChannels:
    """Encoded messages by channel. A channel without messages and readers takes no memory.

    A channel has both messages and readers only until a reader has woken up. Used on one event loop only.
    ``expiry_seconds`` is how long an unread message is kept.
    """

    def __init__(self, expiry_seconds: float) -> None:
        self.expiry_seconds = expiry_seconds
        self._unread: dict[str, _Unread] = {}
        # Usually a channel has one reader; a message to a group may wake thousands of channels at once.
        self._readers: dict[str, list[asyncio.Future[bytes]]] = {}
        self._loop = asyncio.get_running_loop()

    def put(self, channel: str, message: bytes, capacity: int) -> bool:
        """Add a message to the channel. Return False if the channel is full."""
        if channel in self._readers and self._hand_over(channel, message):
            return True
        unread = self._unread_of(channel)
        self._drop_expired(unread)
        if len(unread.messages) >= capacity:
            self._discard_if_empty(channel, unread)
            return False
        unread.messages.append((self._loop.time() + self.expiry_seconds, message))
        self._watch_expiry(channel, unread)
        return True

    async def get(self, channel: str) -> bytes:
        """Return the channel's oldest message, waiting for one. A cancelled call loses no message."""
        if (unread := self._unread.get(channel)) is not None:
            self._drop_expired(unread)
            message = unread.messages.popleft()[1] if unread.messages else None
            self._discard_if_empty(channel, unread)
            if message is not None:
                return message
        reader: asyncio.Future[bytes] = self._loop.create_future()
        self._readers.setdefault(channel, []).append(reader)
        try:
            return await reader
        except asyncio.CancelledError:
            if reader.cancelled():
                self._discard_reader(channel, reader)
            else:
                self._give_back(channel, reader.result())
            raise

    def has(self, channel: str) -> bool:
        """Return True if the channel has readers or messages."""
        return channel in self._readers or channel in self._unread

    def clear(self) -> None:
        """Drop all messages; readers go on waiting."""
        for channel, unread in list(self._unread.items()):
            unread.messages.clear()
            self._discard_if_empty(channel, unread)

    def _hand_over(self, channel: str, message: bytes) -> bool:
        readers = self._readers[channel]
        is_taken = False
        while readers and not is_taken:
            reader = readers.pop(0)
            if not reader.done():
                reader.set_result(message)
                is_taken = True
        if not readers:
            del self._readers[channel]
        return is_taken

    def _give_back(self, channel: str, message: bytes) -> None:
        """Pass on the message of a cancelled reader: to another reader, or back into the queue."""
        if channel in self._readers and self._hand_over(channel, message):
            return
        unread = self._unread_of(channel)
        unread.messages.appendleft((self._loop.time() + self.expiry_seconds, message))
        self._watch_expiry(channel, unread)

    def _discard_reader(self, channel: str, reader: "asyncio.Future[bytes]") -> None:
        readers = self._readers.get(channel, [])
        # The reader is missing if a message that arrived at the same moment has skipped and removed it.
        with suppress(ValueError):
            readers.remove(reader)
        if not readers:
            self._readers.pop(channel, None)

    def _unread_of(self, channel: str) -> _Unread:
        unread = self._unread.get(channel)
        if unread is None:
            unread = self._unread[channel] = _Unread()
        return unread

    def _drop_expired(self, unread: _Unread) -> None:
        while unread.messages and unread.messages[0][0] <= self._loop.time():
            unread.messages.popleft()

    def _watch_expiry(self, channel: str, unread: _Unread) -> None:
        if unread.timer is None:
            unread.timer = self._loop.call_later(self.expiry_seconds, self._expire, channel)

    def _expire(self, channel: str) -> None:
        unread = self._unread[channel]
        unread.timer = None
        self._drop_expired(unread)
        if unread.messages:
            unread.timer = self._loop.call_at(unread.messages[0][0], self._expire, channel)
        self._discard_if_empty(channel, unread)

    def _discard_if_empty(self, channel: str, unread: _Unread) -> None:
        if unread.messages:
            return
        if unread.timer is not None:
            unread.timer.cancel()
        del self._unread[channel]
