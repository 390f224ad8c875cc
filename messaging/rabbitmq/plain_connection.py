"""pika's connection on the running loop, used through pika's public interface, except for two guards."""

import asyncio
from collections.abc import Callable
from typing import Any

import pika
from pika.adapters.asyncio_connection import AsyncioConnection
from pika.channel import Channel
from pika.exceptions import AMQPConnectionError
from pika.frame import Frame, ProtocolHeader

from messaging.rabbitmq.amqp import decode_frame
from messaging.rabbitmq.channel import AmqpChannel


class AmqpConnection(AsyncioConnection):
    """See AsyncioConnection. ``on_end`` is called with the reason, even if the connection was never open."""

    def __init__(
        self,
        parameters: pika.ConnectionParameters,
        on_open: Callable[[object], None],
        on_end: Callable[[object, BaseException], None],
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        super().__init__(parameters, on_open, on_end, on_end, loop)

    def abort(self) -> None:
        """Drop the socket without closing the connection in AMQP: the peer may have stopped reading."""
        self._terminate_stream(AMQPConnectionError("aborted"))  # type: ignore[attr-defined]

    def wrap(self, raw: Channel) -> AmqpChannel:
        """Return our wrapper of one of this connection's channels."""
        return AmqpChannel(raw)

    def _read_frame(self) -> tuple[int, Frame | ProtocolHeader | None]:
        """Read as pika does, but let no header end the connection. An unknown pika would not call this."""
        return decode_frame(self._frame_buffer)  # type: ignore[attr-defined]

    def _on_connection_workflow_done(self, outcome: Any) -> None:
        """Accept an exception's class in its place, which is how pika 1.4 reports an aborted opening.

        It would otherwise fail, with a traceback in the log, whenever a process stops while it connects.
        """
        ended = outcome() if isinstance(outcome, type) else outcome
        super()._on_connection_workflow_done(ended)  # type: ignore[misc]
