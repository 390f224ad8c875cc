"""pika's connection on the running loop, as its public interface has it."""

import asyncio
from collections.abc import Callable

import pika
from pika.adapters.asyncio_connection import AsyncioConnection
from pika.channel import Channel
from pika.exceptions import AMQPConnectionError

from messaging.rabbitmq.channel import AmqpChannel


class AmqpConnection(AsyncioConnection):
    """See AsyncioConnection. ``on_end`` is told why, whether or not it was ever open."""

    def __init__(
        self,
        parameters: pika.ConnectionParameters,
        on_open: Callable[[object], None],
        on_end: Callable[[object, BaseException], None],
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        super().__init__(parameters, on_open, on_end, on_end, loop)

    def abort(self) -> None:
        """Drop the socket without a farewell: the peer may not be reading any more."""
        self._terminate_stream(AMQPConnectionError("aborted"))  # type: ignore[attr-defined]

    def wrap(self, raw: Channel) -> AmqpChannel:
        """One of this connection's channels, with our operations."""
        return AmqpChannel(raw)
