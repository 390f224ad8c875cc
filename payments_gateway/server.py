"""uvicorn's HTTP with an orderly end and fewer writes: ``--http payments_gateway.server:OrderlyProtocol``."""

import asyncio
import contextlib
import socket
from collections import deque
from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import Any, cast

from uvicorn.protocols.http.httptools_impl import (
    HEADER_RE,
    HEADER_VALUE_RE,
    STATUS_LINE,
    HttpToolsProtocol,
)

from checkout.limits import ANSWER, HAS_ARRIVED, WHEN_LEFT, Scope, Send

# How long a client that is connected may still begin a request.
FAREWELL_SECONDS = 1.0

LARGE_BYTES = 65_536

# Headers that say where a response ends: whoever sets them knows better.
FRAMING = (b"connection", b"content-length", b"transfer-encoding")
WITHOUT_BODY = (HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED)


class JoinedWrites:
    """What uvicorn writes of a response in one turn of the loop, head and body, leaves the process together.

    Each write is a system call that wakes whoever reads: a tenth of a request's cost.
    """

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._loop = asyncio.get_running_loop()
        self._unwritten: list[bytes] = []
        self._bytes = 0

    def write(self, data: bytes) -> None:
        """See asyncio.WriteTransport."""
        if not self._unwritten:
            self._loop.call_soon(self._flush)
        self._unwritten.append(data)
        self._bytes += len(data)
        if self._bytes >= LARGE_BYTES:
            self._flush()  # so that whoever writes much hears when the client does not keep up

    def write_at_once(self, data: bytes) -> None:
        """Write what is a whole response, behind everything before it."""
        self._flush()
        self._transport.write(data)

    def close(self) -> None:
        """See asyncio.BaseTransport."""
        self._flush()
        self._transport.close()

    def is_closing(self) -> bool:
        """See asyncio.BaseTransport."""
        return self._transport.is_closing()

    def _flush(self) -> None:
        if self._unwritten:
            data = b"".join(self._unwritten)
            self._unwritten.clear()
            self._bytes = 0
            self._transport.write(data)


class LeanEvent(asyncio.Event):
    """An event without a deque, which is 600 bytes even when empty: uvicorn has two for each request."""

    def __init__(self, *, is_set: bool = False) -> None:
        super().__init__()
        self._waiters = []  # type: ignore[assignment]
        if is_set:
            self.set()


class LeanQueue(list[Any]):
    """As much of a deque as uvicorn needs for requests that came before the last one was answered."""

    def appendleft(self, request: object) -> None:
        """See collections.deque."""
        self.insert(0, request)


def _send_at_once(transport: asyncio.Transport) -> None:
    """Let no packet wait for the last one's acknowledgement: a head and a later body would be 40 ms apart.

    The event loop asks for that too, but not for sockets handed over with ``--fd``, which uvicorn takes for
    UNIX sockets.
    """
    with contextlib.suppress(OSError):  # as of a real UNIX socket
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


class OrderlyProtocol(HttpToolsProtocol):
    """At SIGTERM a request that is on its way is answered, and its connection closed behind the answer.

    uvicorn itself closes every connection without a request at once: whoever has just connected, or is
    sending the next request, would find the connection reset and not know what became of it.
    """

    # Beside uvicorn's own attributes, of which there are nearly so many (30) that CPython would keep a whole
    # dictionary of them, 1.5 KB, for every connection.
    __slots__ = ("_is_leaving", "_transport", "_when_left")

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """See asyncio.BaseProtocol."""
        super().connection_made(transport)
        self._is_leaving = False
        self._transport = transport
        self.pipeline = cast("deque[Any]", LeanQueue())
        self.flow._is_writable_event = LeanEvent(is_set=True)
        self._when_left: list[Callable[[], None]] = []
        _send_at_once(transport)
        self.transport = cast(asyncio.Transport, JoinedWrites(transport))

    def handle_websocket_upgrade(self) -> None:
        """See uvicorn. A WebSocket writes whole frames, and begins when nothing else is to be answered."""
        if not getattr(self.cycle, "response_complete", True):
            self.transport.close()
            return
        self.transport = self._transport
        super().handle_websocket_upgrade()

    def shutdown(self) -> None:
        """See uvicorn, which waits for the last connection to end."""
        if getattr(self.cycle, "response_complete", True):
            self._is_leaving = True
            self.loop.call_later(FAREWELL_SECONDS, super().shutdown)
        else:
            super().shutdown()

    def on_headers_complete(self) -> None:
        """See httptools."""
        super().on_headers_complete()
        if self.cycle is not None:
            self.cycle.message_event = LeanEvent()
            scope = cast(Scope, self.cycle.scope)
            scope[WHEN_LEFT] = self._when_left
            scope[ANSWER] = self.answer
            if self._is_leaving:
                self.cycle.keep_alive = False

    def connection_lost(self, exc: Exception | None) -> None:
        """See asyncio.BaseProtocol. Who waits for something else need not ask whether the client is there."""
        super().connection_lost(exc)
        for call in tuple(self._when_left):
            call()
        if self.cycle is not None:
            # Through it they would hold each other until garbage is looked for.
            cast(Scope, self.cycle.scope).pop(ANSWER, None)

    def answer(self, send: Send, status: int, headers: Iterable[tuple[bytes, bytes]], body: bytes) -> bool:
        """Send a whole response with its Content-Length, and return whether that was possible.

        If not, the response is to go by ``send``, as ASGI has it. That is two messages, and uvicorn looks at
        each header by itself, which takes as long as all the rest of it. Raises ValueError for a header that
        HTTP cannot carry.
        """
        cycle = self.cycle
        is_possible = (
            send == cycle.send  # neither another request's, nor wrapped by somebody who wants to see it
            and cycle.transport is self.transport  # which a WebSocket has taken over otherwise
            and not (cycle.response_started or cycle.disconnected or cycle.access_log)
            and not self.flow.write_paused
            and cycle.scope["method"] != "HEAD"
            and status not in WITHOUT_BODY
        )
        if not is_possible:
            return False
        parts = [STATUS_LINE[status]]
        for name, value in self.server_state.default_headers:
            parts += (name, b": ", value, b"\r\n")
        for name, value in headers:
            parts += (name, b": ", value, b"\r\n")
        names = b"".join(parts[1::4]).lower()
        if any(framing in names for framing in FRAMING):
            return False
        if HEADER_RE.search(names) or HEADER_VALUE_RE.search(b"".join(parts[3::4])):
            raise ValueError("A header must not hold control characters, nor its name anything but a token.")
        if not cycle.keep_alive:
            parts.append(b"connection: close\r\n")
        parts.append(b"content-length: %d\r\n\r\n" % len(body))
        parts.append(body)
        cast(JoinedWrites, self.transport).write_at_once(b"".join(parts))
        cycle.response_started = cycle.response_complete = True
        cycle.waiting_for_100_continue = False
        cycle.message_event.set()
        if not cycle.keep_alive:
            self.transport.close()
        cycle.on_response()
        return True

    def on_message_complete(self) -> None:
        """See httptools. Most bodies come with their heads, before the application begins to read."""
        super().on_message_complete()
        if self.cycle is not None:
            cast(Scope, self.cycle.scope)[HAS_ARRIVED] = True
        if not self.pipeline:
            # Stopped for a large body: what comes next is the news that the client has left.
            self.flow.resume_reading()
