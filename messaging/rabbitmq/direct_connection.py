"""pika's connection with a shorter path for common frames, and one write for everything sent in a turn.

pika makes 15 to 20 objects for a message on its way in or out, asks the loop to watch its socket for every
frame it writes, and copies the rest of its buffer after every frame it reads: 70 to 100 µs for a message.
Here the frames of ``wire`` go directly to the socket and come directly from it. All other frames take
pika's path, in their order.

This depends on names that pika does not promise to keep. ``is_possible`` checks pika's release and looks for
the names; otherwise everything goes through pika's public interface, see ``channel``.
"""

import asyncio
import contextlib
import inspect
from collections.abc import Callable
from functools import cache, partial
from typing import Any

import pika
from pika.adapters.asyncio_connection import AsyncioConnection
from pika.adapters.utils import io_services_utils
from pika.channel import Channel

from messaging.broker import OnDelivery
from messaging.delivery import Outcome
from messaging.envelope import Envelope
from messaging.errors import BrokerUnavailable, NotSendable
from messaging.libraries.versions import is_made_for
from messaging.rabbitmq.amqp import decode_frame
from messaging.rabbitmq.channel import AmqpChannel, OnConfirmFrame
from messaging.rabbitmq.plain_connection import AmqpConnection
from messaging.rabbitmq.wire import layout
from messaging.rabbitmq.wire.reading import Incomplete, Uncommon, read_delivery
from messaging.rabbitmq.wire.writing import write_ack, write_publish, write_reject

OnMessage = Callable[[bytes, int, int], int]
"""A function of a buffer and the start and end of a Basic.Deliver frame in it. Returns the message's end."""

# The methods of pika that are overridden or called here, with their parameters.
_METHODS = {
    "_on_data_available": ["self", "data_in"],
    "_process_frame": ["self", "frame_value"],
    "_adapter_emit_data": ["self", "data"],
}
_PLAIN_TRANSPORT = getattr(io_services_utils, "_AsyncPlaintextTransport", None)


@cache
def is_possible() -> bool:
    """Return True if the installed pika has the known release and the internals that are used here."""
    if not is_made_for("pika", "1.4", "direct connection"):
        return False
    methods = {name: getattr(AsyncioConnection, name, None) for name in _METHODS}
    return (
        all(
            callable(method) and list(inspect.signature(method).parameters) == _METHODS[name]
            for name, method in methods.items()
        )
        and {"_frame_buffer", "_body_max_length", "_transport"} <= _names_set_by(AsyncioConnection)
        and _PLAIN_TRANSPORT is not None
        and hasattr(_PLAIN_TRANSPORT, "get_write_buffer_size")
        and "_sock" in _names_set_by(_PLAIN_TRANSPORT)
    )


def _names_set_by(kind: type) -> set[str]:
    methods = (
        member for base in kind.__mro__ for member in vars(base).values() if inspect.isfunction(member)
    )
    return {name for method in methods for name in method.__code__.co_names}


class DirectConnection(AmqpConnection):
    """See AmqpConnection."""

    def __init__(
        self,
        parameters: pika.ConnectionParameters,
        on_open: Callable[[object], None],
        on_end: Callable[[object, BaseException], None],
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        self.readers: dict[int, OnMessage] = {}
        self.confirmers: dict[int, OnConfirmFrame] = {}
        self._loop = loop
        self._unsent: list[bytes] = []
        super().__init__(parameters, on_open, on_end, loop)

    def wrap(self, raw: Channel) -> AmqpChannel:
        """See AmqpConnection."""
        return DirectChannel(self, raw)

    @property
    def max_body(self) -> int:
        """The number of bytes of a message's body that fit into one frame, as agreed with the broker."""
        return int(self._body_max_length)  # type: ignore[attr-defined]

    def send(self, frames: bytes) -> None:
        """Send whole frames, in order with the frames that pika sends."""
        if not self._unsent:
            self._loop.call_soon(self._flush)
        self._unsent.append(frames)

    def _adapter_emit_data(self, data: bytes) -> None:
        self.send(data)

    def _flush(self) -> None:
        data = b"".join(self._unsent)
        self._unsent.clear()
        transport: Any = self._transport  # type: ignore[attr-defined]
        if transport is None:
            return
        if isinstance(transport, _PLAIN_TRANSPORT) and not transport.get_write_buffer_size():  # type: ignore[arg-type]
            # Usually the socket takes all bytes, and the loop need not watch it. If the socket is full or
            # broken, the transport notices that itself.
            with contextlib.suppress(OSError):
                data = data[transport._sock.send(data) :]
        if data:
            transport.write(data)

    def _on_data_available(self, data_in: bytes) -> None:
        if not self.readers and not self.confirmers:
            super()._on_data_available(data_in)  # type: ignore[misc]
            return
        self.bytes_received += len(data_in)  # type: ignore[attr-defined]
        data = self._frame_buffer + data_in  # type: ignore[has-type]
        self._frame_buffer = b""
        at, available = 0, len(data)
        while available - at >= layout.OVERHEAD:
            kind, channel, size = layout.FRAME_HEAD.unpack_from(data, at)
            end = at + size + layout.OVERHEAD
            if end > available:
                break
            if kind == layout.METHOD and data[end - 1] == layout.FRAME_END:
                (method,) = layout.METHOD_ID.unpack_from(data, at + layout.FRAME_HEAD.size)
                if method == layout.BASIC_DELIVER and (on_message := self.readers.get(channel)):
                    try:
                        at = on_message(data, at, end)
                        continue
                    except Incomplete:
                        break
                    except Uncommon:
                        pass
                elif method in _CONFIRMS and (on_confirm := self.confirmers.get(channel)):
                    tag, bits = layout.TAG_AND_BITS.unpack_from(data, at + layout.FRAME_HEAD.size + 4)
                    at = end
                    on_confirm(tag, bool(bits & 1), method == layout.BASIC_ACK)
                    continue
            _, decoded = decode_frame(data[at:end])
            at = end
            if decoded is not None:
                self._process_frame(decoded)  # type: ignore[attr-defined]
        self._frame_buffer = data[at:]


_CONFIRMS = frozenset((layout.BASIC_ACK, layout.BASIC_NACK))


class DirectChannel(AmqpChannel):
    """See AmqpChannel."""

    def __init__(self, connection: DirectConnection, raw: Channel) -> None:
        super().__init__(raw)
        self._connection = connection
        self._number = raw.channel_number
        self.closed.add_done_callback(self._discard_callbacks)

    async def confirm(self, on_confirm: OnConfirmFrame) -> None:
        """See AmqpChannel."""
        await super().confirm(on_confirm)
        self._connection.confirmers[self._number] = on_confirm

    def publish(self, exchange: str, routing_key: str, envelope: Envelope, user_id: str) -> None:
        """See AmqpChannel."""
        if not self.raw.is_open:
            raise BrokerUnavailable("not connected: the channel is closed")
        try:
            frames = write_publish(
                self._number, exchange, routing_key, envelope, user_id, self._connection.max_body
            )
        except ValueError as error:
            raise NotSendable(f"AMQP cannot carry it: {error}") from error
        self._connection.send(frames)

    async def read(self, queue: str, on_delivery: OnDelivery, *, prefetch: int, auto_ack: bool) -> str:
        """See AmqpChannel."""

        def on_message(data: bytes, start: int, header_at: int) -> int:
            delivery, tag, end = read_delivery(queue, data, start, header_at)
            if not auto_ack:
                delivery.settle = partial(self.settle, tag)
            on_delivery(delivery)
            return end

        self._connection.readers[self._number] = on_message
        return await super().read(queue, on_delivery, prefetch=prefetch, auto_ack=auto_ack)

    def settle(self, delivery_tag: int, outcome: Outcome) -> None:
        """See AmqpChannel."""
        if not self.raw.is_open:
            return
        if outcome is Outcome.DONE:
            self._connection.send(write_ack(self._number, delivery_tag))
        elif outcome is Outcome.UNTRIED:
            super().settle(delivery_tag, outcome)
        else:
            requeue = outcome is Outcome.FAILED
            self._connection.send(write_reject(self._number, delivery_tag, requeue))

    def _discard_callbacks(self, closed: object) -> None:
        self._connection.readers.pop(self._number, None)
        self._connection.confirmers.pop(self._number, None)
