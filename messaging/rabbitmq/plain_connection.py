"""A connection of pika on the running loop: pika's public interface, except for two overridden methods."""

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
    """See AsyncioConnection. ``on_end`` receives the reason, even if the connection was never open."""

    def __init__(
        self,
        parameters: pika.ConnectionParameters,
        on_open: Callable[[object], None],
        on_end: Callable[[object, BaseException], None],
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        super().__init__(parameters, on_open, on_end, on_end, loop)

    def abort(self) -> None:
        """Drop the socket without the closing handshake of AMQP: the peer may have stopped reading."""
        self._terminate_stream(AMQPConnectionError("aborted"))  # type: ignore[attr-defined]

    def wrap(self, raw: Channel) -> AmqpChannel:
        """Return our wrapper of one of this connection's channels."""
        return AmqpChannel(raw)

    def _read_frame(self) -> tuple[int, Frame | ProtocolHeader | None]:
        """Return the length of the first frame in the buffer, and the frame; 0 and None if it is incomplete.

        This overrides a private method of pika 1.4, so that a header that pika cannot decode does not end the
        connection (see ``decode_frame``). Another release of pika may never call it.
        """
        return decode_frame(self._frame_buffer)  # type: ignore[attr-defined]

    def _on_connection_workflow_done(self, outcome: Any) -> None:
        """Pass the result of the opening on to pika, with an exception in place of an exception's class.

        pika 1.4 passes the class if the opening is aborted, and then fails with a traceback in the log. That
        would happen whenever a process stops while it connects.
        """
        ended = outcome() if isinstance(outcome, type) else outcome
        super()._on_connection_workflow_done(ended)  # type: ignore[misc]
