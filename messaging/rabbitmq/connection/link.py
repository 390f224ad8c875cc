"""One AMQP connection from its opening to its end, with futures in place of pika's callbacks."""

import asyncio
import contextlib
import re
import socket
from collections.abc import Awaitable, Callable

import pika
import structlog
from pika.channel import Channel
from pika.exceptions import (
    AMQPError,
    ChannelWrongStateError,
    ConnectionClosedByBroker,
    ConnectionWrongStateError,
)

from messaging.rabbitmq import direct_connection
from messaging.rabbitmq.amqp import plain
from messaging.rabbitmq.channel import CLOSE_TIMEOUT_SECONDS, AmqpChannel, first
from messaging.rabbitmq.connection.addresses import TlsOptions, at_address
from messaging.rabbitmq.plain_connection import AmqpConnection

log = structlog.get_logger(__name__)

INTERNAL_ERROR = 541
# ACCESS_REFUSED and NOT_ALLOWED, which are about the user or the virtual host.
_REFUSED = re.compile(r"ConnectionClosedByBroker: \((403|530)\)")


class Link:
    """An open connection. ``closed`` receives the reason as its result, never as an exception.

    ``on_blocked`` is called when the broker blocks publishing, ``on_unblocked`` when it allows publishing
    again.
    """

    def __init__(
        self,
        connection: AmqpConnection,
        closed: asyncio.Future[BaseException],
        parameters: pika.ConnectionParameters,
    ) -> None:
        self.closed = closed
        self._parameters = parameters
        self.is_blocked = False
        self.on_blocked: Callable[[], None] = lambda: None
        self.on_unblocked: Callable[[], None] = lambda: None
        self._connection = connection
        connection.add_on_connection_blocked_callback(self._on_blocked)
        connection.add_on_connection_unblocked_callback(self._on_unblocked)

    @classmethod
    async def open(cls, parameters: pika.ConnectionParameters, *, turn: int = 0) -> "Link":
        """Connect to one of the host's addresses. Raises AMQPError or OSError.

        The addresses are tried one after the other, beginning with another one at each ``turn``. If one
        refuses the log-in, the others are not tried, as they would refuse it, too. pika would always begin
        with the first address, and stop at one that accepts a connection and does not answer.
        """
        *others, last = await _addresses(parameters, turn)
        for each in others:
            try:
                return await cls._open(each)
            except (AMQPError, OSError) as error:
                if _REFUSED.search(str(error)):
                    raise
                log.info("address passed over", host=parameters.host, address=each.host, reason=str(error))
        return await cls._open(last)

    @classmethod
    async def _open(cls, parameters: pika.ConnectionParameters) -> "Link":
        if isinstance(parameters.ssl_options, TlsOptions):
            parameters.ssl_options.renew()
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
                opened.set_exception(plain(reason))

        kind = direct_connection.DirectConnection if direct_connection.is_possible() else AmqpConnection
        connection = kind(parameters, on_open, on_end, loop)
        try:
            await opened
        except asyncio.CancelledError:
            with contextlib.suppress(ConnectionWrongStateError):
                connection.close()
            raise
        return cls(connection, closed, parameters)

    async def another(self) -> "Link":
        """Open another connection to the same address. Raises AMQPError or OSError."""
        return await Link._open(self._parameters)

    @property
    def is_open(self) -> bool:
        """Return True if the connection is up, as far as this side knows."""
        return self._connection.is_open and not self.closed.done()

    @property
    def has_crashed(self) -> bool:
        """Return True if the broker has closed the connection because of an error of its own."""
        reason = self.closed.result() if self.closed.done() else None
        return isinstance(reason, ConnectionClosedByBroker) and reason.reply_code == INTERNAL_ERROR

    async def channel(self) -> AmqpChannel:
        """Open a channel. Raises AMQPError."""
        opened: asyncio.Future[Channel] = asyncio.get_running_loop().create_future()

        def on_open(channel: Channel) -> None:
            if not opened.done():
                opened.set_result(channel)

        channel = self._connection.wrap(self._connection.channel(on_open_callback=on_open))
        try:
            await first(opened, channel.closed)
        except asyncio.CancelledError:
            with contextlib.suppress(ChannelWrongStateError):
                channel.raw.close()
            raise
        return channel

    def abort(self) -> None:
        """Drop the connection now; ``closed`` completes soon afterwards."""
        if not self._connection.is_closed and not self.closed.done():
            self._connection.abort()

    async def close(self) -> None:
        """Close the connection, and wait a moment for the broker's answer."""
        with contextlib.suppress(ConnectionWrongStateError):
            self._connection.close()
        await asyncio.wait({self.closed}, timeout=CLOSE_TIMEOUT_SECONDS)
        self.abort()

    def _on_blocked(self, connection: object, method: object) -> None:
        self.is_blocked = True
        self.on_blocked()

    def _on_unblocked(self, connection: object, method: object) -> None:
        self.is_blocked = False
        self.on_unblocked()


async def _addresses(parameters: pika.ConnectionParameters, turn: int) -> list[pika.ConnectionParameters]:
    """Return the parameters for each address of the host, beginning with the one for this ``turn``.

    Raises OSError if the host has no address.
    """
    found = await asyncio.get_running_loop().getaddrinfo(
        parameters.host, parameters.port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP
    )
    addresses = list(dict.fromkeys(str(address[0]) for *_, address in found))
    if len(addresses) == 1:
        return [parameters]
    begin = turn % len(addresses)
    *others, last = addresses[begin:] + addresses[:begin]
    hurried = [at_address(parameters, address, is_last=False) for address in others]
    return [*hurried, at_address(parameters, last, is_last=True)]


async def on_disposable_channel(link: Link, work: Callable[[AmqpChannel], Awaitable[None]]) -> None:
    """Run ``work`` on a channel of its own, so that an error closes no other channel."""
    channel = await link.channel()
    try:
        await work(channel)
    finally:
        # The answer is not awaited: while the broker is busy with a request, it does not close a channel.
        channel.close_nowait()
