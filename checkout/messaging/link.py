"""One AMQP connection and its channels, with awaitable operations in place of pika's callbacks.

Everything pika calls back ends up in a future or in a function given by the user of this module, which must
not raise.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Any

import pika
from pika.adapters.asyncio_connection import AsyncioConnection
from pika.channel import Channel
from pika.exceptions import AMQPConnectionError, AMQPError, ChannelWrongStateError, ConnectionWrongStateError

CLOSE_TIMEOUT_SECONDS = 1.0


class _Connection(AsyncioConnection):
    def abort(self) -> None:
        """Drop the socket without a farewell: the peer may not be reading any more."""
        self._terminate_stream(AMQPConnectionError("aborted"))  # type: ignore[attr-defined]


class Link:
    """An open connection. ``closed`` gets the reason as its result, never an exception."""

    def __init__(self, connection: _Connection, closed: asyncio.Future[BaseException]) -> None:
        self.closed = closed
        self.is_blocked = False
        self._connection = connection
        connection.add_on_connection_blocked_callback(self._on_blocked)
        connection.add_on_connection_unblocked_callback(self._on_unblocked)

    @classmethod
    async def open(cls, parameters: pika.ConnectionParameters) -> "Link":
        """Connect. Raises AMQPError or OSError."""
        loop = asyncio.get_running_loop()
        opened: asyncio.Future[None] = loop.create_future()
        closed: asyncio.Future[BaseException] = loop.create_future()

        def on_open(connection: object) -> None:
            if not opened.done():
                opened.set_result(None)

        def on_end(connection: object, reason: BaseException) -> None:
            if not closed.done():
                closed.set_result(reason)
            if not opened.done():
                opened.set_exception(_plain(reason))

        connection = _Connection(parameters, on_open, on_end, on_end, loop)
        try:
            await opened
        except asyncio.CancelledError:
            with contextlib.suppress(ConnectionWrongStateError):
                connection.close()
            raise
        return cls(connection, closed)

    @property
    def is_open(self) -> bool:
        """Whether the connection is up, as far as this side knows."""
        return self._connection.is_open and not self.closed.done()

    async def channel(self) -> "AmqpChannel":
        """Open a channel. Raises AMQPError."""
        opened: asyncio.Future[Channel] = asyncio.get_running_loop().create_future()

        def on_open(channel: Channel) -> None:
            if not opened.done():
                opened.set_result(channel)

        channel = AmqpChannel(self._connection.channel(on_open_callback=on_open))
        await _first(opened, channel.closed)
        return channel

    def abort(self) -> None:
        """Drop the connection now; ``closed`` follows soon."""
        if not self._connection.is_closed and not self.closed.done():
            self._connection.abort()

    async def close(self) -> None:
        """Say goodbye, and wait a moment for the answer."""
        with contextlib.suppress(ConnectionWrongStateError):
            self._connection.close()
        await asyncio.wait({self.closed}, timeout=CLOSE_TIMEOUT_SECONDS)
        self.abort()

    def _on_blocked(self, connection: object, method: object) -> None:
        self.is_blocked = True

    def _on_unblocked(self, connection: object, method: object) -> None:
        self.is_blocked = False


class AmqpChannel:
    """A channel. ``closed`` gets the reason as its result, also when the whole connection ends."""

    def __init__(self, channel: Channel) -> None:
        self.raw = channel
        self.closed: asyncio.Future[BaseException] = asyncio.get_running_loop().create_future()
        channel.add_on_close_callback(self._on_close)

    async def ask(self, start: Callable[[Callable[[Any], None]], object]) -> Any:
        """Begin an operation that calls back with the broker's answer, and wait for it. Raises AMQPError."""
        answered: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

        def on_answer(answer: Any) -> None:
            if not answered.done():
                answered.set_result(answer)

        start(on_answer)
        return await _first(answered, self.closed)

    async def close(self) -> None:
        """Close; unacknowledged deliveries go back to their queues."""
        with contextlib.suppress(ChannelWrongStateError):
            self.raw.close()
        await asyncio.wait({self.closed}, timeout=CLOSE_TIMEOUT_SECONDS)

    def _on_close(self, channel: Channel, reason: BaseException) -> None:
        if not self.closed.done():
            self.closed.set_result(reason)


async def on_disposable_channel(link: Link, work: Callable[[AmqpChannel], Awaitable[None]]) -> None:
    """Run ``work`` on a channel of its own, so that what the broker refuses closes nothing else."""
    channel = await link.channel()
    try:
        await work(channel)
    finally:
        await channel.close()


async def _first(answer: "asyncio.Future[Any]", closed: "asyncio.Future[BaseException]") -> Any:
    await asyncio.wait({answer, closed}, return_when=asyncio.FIRST_COMPLETED)
    if answer.done():
        return answer.result()
    raise _plain(closed.result())


def _plain(reason: BaseException) -> Exception:
    """A fresh exception: pika shares one object among all who hear of it, and raising it makes it grow."""
    if isinstance(reason, AMQPError | OSError):
        return AMQPConnectionError(f"{type(reason).__name__}: {reason}")
    return AMQPConnectionError(repr(reason))
