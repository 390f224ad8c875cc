"""Writing to clients: few system calls, and a time limit for clients that do not read."""

import asyncio
import contextlib
import socket
from typing import Any

from payments_gateway.serving.conf import conf

LARGE_BYTES = 65_536
# The time for which a client may go on sending after the answer.
LINGER_SECONDS = 1.0


def close_in_time(transport: asyncio.Transport) -> None:
    """Close once the outstanding bytes are sent, or without sending them if the client reads too slowly.

    A transport alone would wait as long as the client likes, and keep the bytes in memory.
    """
    transport.close()
    if transport.get_write_buffer_size():
        asyncio.get_running_loop().call_later(conf.send_seconds, transport.abort)


def close_slowly(transport: asyncio.Transport) -> None:
    """Close a moment after the answer to a client that may still be sending, unless the client closes first.

    If the connection were closed at once, it would be reset, and the client would often miss the answer.
    """
    if transport.is_closing() or not transport.can_write_eof():
        close_in_time(transport)
    else:
        with contextlib.suppress(OSError):  # the client has reset the connection, which is noticed below
            transport.write_eof()
        transport.resume_reading()
        asyncio.get_running_loop().call_later(LINGER_SECONDS, close_in_time, transport)


class JoinedWrites:
    """A transport that joins the writes of one turn of the loop, such as a response's head and body.

    Each write is a system call that wakes the reader, which costs a tenth of a request. While the body of a
    request ``is_arriving``, the transport closes slowly.
    """

    def __init__(self, transport: asyncio.Transport) -> None:
        self.is_arriving = False
        self._is_closed = False
        self._transport = transport
        self._loop = asyncio.get_running_loop()
        self._unwritten: list[bytes] = []
        self._bytes = 0

    def write(self, data: bytes) -> None:
        """See asyncio.WriteTransport."""
        if not self._unwritten:
            self._loop.call_soon(self.flush)
        self._unwritten.append(data)
        self._bytes += len(data)
        if self._bytes >= LARGE_BYTES:
            self.flush()  # lets flow control stop the writer when the client reads too slowly

    def write_at_once(self, data: bytes) -> None:
        """Write a whole response at once, after everything written before it."""
        self.flush()
        self._write(data)

    def close(self) -> None:
        """See asyncio.BaseTransport."""
        self.flush()
        self._is_closed = True
        (close_slowly if self.is_arriving else close_in_time)(self._transport)

    def is_closing(self) -> bool:
        """See asyncio.BaseTransport."""
        return self._is_closed or self._transport.is_closing()

    def flush(self) -> None:
        """Write everything that is still unwritten in this turn."""
        if self._unwritten:
            data = b"".join(self._unwritten)
            self._unwritten.clear()
            self._bytes = 0
            self._write(data)

    def _write(self, data: bytes) -> None:
        """Write, unless the connection was aborted. The protocol learns of that a little later."""
        if not self.is_closing():
            self._transport.write(data)


class WebSocketTransport:
    """A transport that closes in time, for uvicorn's WebSockets. Those already write whole frames."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport

    def close(self) -> None:
        """See asyncio.BaseTransport."""
        close_in_time(self._transport)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)


def send_at_once(transport: asyncio.Transport) -> None:
    """Send each packet without waiting for the acknowledgement of the one before (``TCP_NODELAY``).

    Otherwise a head and a later body would be 40 ms apart. The event loop sets the option, too, but not for
    sockets handed over with ``--fd``, which uvicorn takes for UNIX sockets.
    """
    with contextlib.suppress(OSError):  # raised by a real UNIX socket
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
