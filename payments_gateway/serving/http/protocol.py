"""uvicorn's HTTP, hardened: ``--http payments_gateway.serving.http.protocol:HardenedHttpProtocol``."""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any, cast

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from payments_gateway.serving.conf import conf
from payments_gateway.serving.http.connection_limit import limit_of
from payments_gateway.serving.http.lean import LeanEvent, LeanQueue, is_known_uvicorn
from payments_gateway.serving.http.phase import Phase
from payments_gateway.serving.http.refusal import refusal
from payments_gateway.serving.http.request_head import (
    MAX_FIELDS,
    MAX_HEAD_BYTES,
    MAX_TARGET_BYTES,
    origin_form,
    require_size,
)
from payments_gateway.serving.http.whole_response import FramedError, whole_response
from payments_gateway.serving.http.writing import JoinedWrites, WebSocketTransport, close_slowly, send_at_once
from payments_gateway.serving.problems import (
    HEADERS_TOO_LARGE,
    MALFORMED,
    TARGET_TOO_LONG,
    TOO_MANY,
    TOO_SLOW,
    Problem,
    RefusedError,
)
from payments_gateway.serving.scope import ANSWER, ARRIVED, WHEN_LEFT, Header, Scope, Send

# The time in which a connected client may still begin a request after SIGTERM.
FAREWELL_SECONDS = 1.0
# Data is parsed in pieces, so that little is kept of a request that turns out to be too large.
PIECE_BYTES = 16_384
# The number of requests that a client may send before the first one is answered.
MAX_PIPELINED = 32


class HardenedHttpProtocol(HttpToolsProtocol):
    """A protocol that limits the size and the pace of requests, and the time in which responses are read.

    A request that cannot be accepted is answered by a problem document, after the answers to earlier
    requests.

    At SIGTERM a request that has begun is answered, and its connection is closed after the answer. uvicorn
    itself would close every connection without a request at once. A client that has just connected, or is
    sending its next request, would see a reset connection, and not know whether the request was carried out.
    """

    # Slots, because uvicorn's own attributes nearly reach the number (30) above which CPython would keep a
    # whole dictionary, 1.5 KB, for every connection.
    __slots__ = (
        "_counted_as",
        "_head_until",
        "_hosts",
        "_is_broken",
        "_is_leaving",
        "_joined",
        "_limit",
        "_phase",
        "_refused",
        "_trailer_bytes",
        "_trailers",
        "_transport",
        "_unparsed",
        "_unread_timer",
        "_when_left",
    )

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """See asyncio.BaseProtocol."""
        self._counted_as = ""
        self._unread_timer: asyncio.TimerHandle | None = None
        self._when_left: list[Callable[[], None]] = []
        super().connection_made(transport)
        self._limit = limit_of(self.server_state, self.config)
        client = self._limit.client_of(self.client)
        problem = self._limit.enter(client, len(self.connections) - 1)
        if problem is not None:
            self._phase = Phase.OVER
            self.connections.discard(self)
            self._limit.reject(transport, refusal(problem, self.server_state.default_headers))
            return
        self._counted_as = client
        self._is_leaving = False
        self._transport = transport
        self._phase = Phase.BETWEEN
        self._refused: Problem | None = None
        self._unparsed = 0
        if is_known_uvicorn():
            self.pipeline = cast("deque[Any]", LeanQueue())
            self.flow._is_writable_event = LeanEvent(is_set=True)
        send_at_once(transport)
        self._joined = JoinedWrites(transport)
        self.transport = cast(asyncio.Transport, self._joined)
        # The time limit of the first request's head counts from here; a client that sends nothing is merely
        # idle.
        now = self.loop.time()
        self._head_until = now + conf.header_seconds
        self._limit.idle.add(self, now, min(self.timeout_keep_alive, conf.header_seconds))

    def connection_lost(self, exc: Exception | None) -> None:
        """See asyncio.BaseProtocol. Notifies requests that wait for something other than the client."""
        super().connection_lost(exc)
        self._unset_keepalive_if_required()
        self._limit.idle.discard(self)
        self._stop_waiting_for_reader()
        self._leave_the_count()
        self._limit.memory.note_end(len(self.connections), self.loop)
        for call in tuple(self._when_left):
            call()
        if self.cycle is not None:
            scope = cast(Scope, self.cycle.scope)
            # This breaks a reference cycle, which would otherwise last until the next garbage collection.
            scope.pop(ANSWER, None)
            # A request that the application has not begun then asks the server for its body, and learns that
            # its client has left.
            scope.pop(ARRIVED, None)

    def shutdown(self) -> None:
        """See uvicorn, which calls this and waits for the last connection to end."""
        if self._is_idle:
            self._is_leaving = True
            self.loop.call_later(FAREWELL_SECONDS, super().shutdown)
        else:
            super().shutdown()

    # Data from the client

    def data_received(self, data: bytes) -> None:
        """See asyncio.Protocol."""
        if self._phase is Phase.OVER or self.transport.is_closing():
            return
        self._unset_keepalive_if_required()
        if self.cycle is None:
            self._limit.idle.discard(self)
        if len(data) <= PIECE_BYTES:
            self._parse(data)
        else:
            for begin in range(0, len(data), PIECE_BYTES):
                self._parse(data[begin : begin + PIECE_BYTES])
                if self._phase in (Phase.UPGRADE, Phase.OVER):
                    break
        if self._phase is Phase.HEAD or (self._phase is Phase.BETWEEN and self._is_idle):
            if not self._head_until:
                self._head_until = self.loop.time() + conf.header_seconds
            self._wait_for_head()

    def _parse(self, data: bytes) -> None:
        self._unparsed += len(data)
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._upgrade()
        except httptools.HttpParserError as error:
            cause = error.__context__
            self._refuse(cause.problem if isinstance(cause, RefusedError) else MALFORMED)
        else:
            if self._phase is Phase.HEAD:
                is_too_much = self._unparsed > MAX_HEAD_BYTES or len(self.headers) > MAX_FIELDS
            else:
                is_too_much = self._phase is Phase.BODY and self._unparsed > MAX_HEAD_BYTES
            if is_too_much:
                self._refuse(HEADERS_TOO_LARGE)

    def on_message_begin(self) -> None:
        """See httptools."""
        super().on_message_begin()
        self._phase = Phase.HEAD
        self._hosts = self._unparsed = 0

    def on_url(self, url: bytes) -> None:
        """See httptools."""
        self.url += url
        if len(self.url) > MAX_TARGET_BYTES:
            raise RefusedError(TARGET_TOO_LONG)

    def on_header(self, name: bytes, value: bytes) -> None:
        """See httptools, which calls this for trailers, too."""
        if self._phase is not Phase.HEAD:
            self._count_trailer(name, value)
            return
        name = name.lower()
        if name == b"host":
            self._hosts += 1
        elif name == b"expect" and value.lower() == b"100-continue":
            self.expect_100_continue = True
        self.headers.append((name, value))

    def on_headers_complete(self) -> None:
        """See httptools."""
        if self._unparsed:  # otherwise the body arrived in one piece, which is small
            require_size(self.url, self.headers)
        if len(self.headers) > MAX_FIELDS:
            raise RefusedError(HEADERS_TOO_LARGE)
        if self._hosts != 1:
            self._require_no_host()
        if len(self.pipeline) == MAX_PIPELINED:
            raise RefusedError(TOO_MANY)
        if not self.url.startswith(b"/"):
            self.url, self.headers[:] = origin_form(self.url, self.headers)
        self._head_until = 0.0
        self._unparsed = self._trailers = self._trailer_bytes = 0
        last = self.cycle
        super().on_headers_complete()
        cycle = self.cycle
        if cycle is last:
            self._phase = Phase.UPGRADE
            return
        self._phase = Phase.BODY
        self._joined.is_arriving = True
        scope: Any = cycle.scope
        if scope["http_version"] == "1.0":
            cycle.waiting_for_100_continue = False
        scope[WHEN_LEFT] = self._when_left
        if is_known_uvicorn():
            cycle.message_event = LeanEvent()
            scope[ANSWER] = self.answer
        if self._is_leaving:
            cycle.keep_alive = False

    def _require_no_host(self) -> None:
        """Raise RefusedError unless this is HTTP/1.0, which needs no Host (RFC 9112, section 3.2)."""
        if self._hosts or self.parser.get_http_version() != "1.0":
            raise RefusedError(MALFORMED)

    def on_chunk_header(self) -> None:
        """See httptools. From here on, bytes that are not parsed yet are counted."""
        self._unparsed = 0

    def on_body(self, body: bytes) -> None:
        """See httptools."""
        self._unparsed = 0
        super().on_body(body)

    def _count_trailer(self, name: bytes, value: bytes) -> None:
        """Count a trailer and drop it: no code reads trailers, and they must not be taken for headers."""
        self._unparsed = 0
        self._trailers += 1
        self._trailer_bytes += len(name) + len(value) + 4
        if self._trailers > MAX_FIELDS or self._trailer_bytes > MAX_HEAD_BYTES:
            raise RefusedError(HEADERS_TOO_LARGE)

    def on_message_complete(self) -> None:
        """See httptools. Most bodies arrive with their heads, before the application begins to read them."""
        if self._phase is Phase.UPGRADE:
            return
        super().on_message_complete()
        self._phase = Phase.BETWEEN
        self._joined.is_arriving = False
        scope: Any = self.cycle.scope
        scope[ARRIVED] = self.cycle.body
        if not self.pipeline:
            # Reading was paused for a large body. It is resumed, so that a disconnection is noticed.
            self.flow.resume_reading()

    # Other protocols

    def _upgrade(self) -> None:
        """Begin a WebSocket. Other protocols are not supported; the data that follows might belong to one."""
        if self._phase is not Phase.UPGRADE:
            self._phase = Phase.OVER
            self.cycle.keep_alive = False
        elif self._is_idle:
            self.handle_websocket_upgrade()
        else:
            self.flow.pause_reading()  # until all earlier requests are answered

    def handle_websocket_upgrade(self) -> None:
        """See uvicorn."""
        self._joined.flush()
        self.flow.resume_reading()
        self._leave_the_count()  # from now on the connection is counted as a WebSocket
        self.transport = cast(asyncio.Transport, WebSocketTransport(self._transport))
        super().handle_websocket_upgrade()
        if not getattr(self._transport.get_protocol(), "handshake_initiated", True):
            # The WebSocket protocol could not parse the handshake, and does not report that.
            self.transport.write(refusal(MALFORMED, self.server_state.default_headers))
            self.transport.close()

    # Answers

    @property
    def _is_idle(self) -> bool:
        """Return True if the newest request, which is answered last, has been answered."""
        return getattr(self.cycle, "response_complete", True)

    def answer(
        self,
        send: Send,
        status: int,
        headers: Iterable[Header],
        body: bytes,
        usual: tuple[Header, ...] = (),
    ) -> bool:
        """See Answer.

        If it returns False, the response must go through ``send`` as two messages. uvicorn then checks each
        header by itself, which takes as long as everything else. Raises ValueError for a header that HTTP
        cannot carry.
        """
        cycle = self.cycle
        is_possible = (
            send == cycle.send  # not another request's, and not wrapped by a middleware
            and cycle.transport is self.transport  # unless a WebSocket has taken over
            and not (cycle.response_started or cycle.disconnected or cycle.access_log)
            and not self.flow.write_paused
            and cycle.scope["method"] != "HEAD"
        )
        if not is_possible:
            return False
        default = self.server_state.default_headers
        try:
            response = whole_response(
                status, default, headers, body, usual=usual, keep_alive=cycle.keep_alive
            )
        except FramedError:
            return False
        self._joined.write_at_once(response)
        cycle.response_started = cycle.response_complete = True
        cycle.waiting_for_100_continue = False
        cycle.message_event.set()
        if not cycle.keep_alive:
            self.transport.close()
        cycle.on_response()
        return True

    def on_response_complete(self) -> None:
        """See uvicorn."""
        if self._refused is not None and len(self.pipeline) <= self._is_broken:
            self._send_refusal(self._refused)
            return
        if self._phase is Phase.BODY and not self.pipeline:
            self.transport.close()  # the rest of the body must not be parsed as the next request
        super().on_response_complete()
        if self._phase is Phase.BETWEEN or self.transport.is_closing() or not self._is_idle:
            return
        if self._phase is Phase.UPGRADE:
            self._unset_keepalive_if_required()
            self.handle_websocket_upgrade()
        elif self._phase is Phase.HEAD:
            self._unset_keepalive_if_required()
            self._wait_for_head()

    def _refuse(self, problem: Problem) -> None:
        """Stop reading. Answer the unacceptable data once all earlier requests are answered."""
        self._refused = problem
        self._is_broken = self._phase is Phase.BODY  # the last request itself is bad, not the data after it
        self._phase = Phase.OVER
        if self.pipeline:
            return
        if self._is_idle:
            self._send_refusal(problem)
        elif self._is_broken:
            is_late = self.cycle.response_started
            self.cycle.disconnected = True
            self.cycle.message_event.set()
            if is_late:
                self.transport.close()
            else:
                self._send_refusal(problem)

    def _send_refusal(self, problem: Problem) -> None:
        self.pipeline.clear()
        answer = refusal(problem, self.server_state.default_headers)
        self._joined.write_at_once(answer)
        self._unset_keepalive_if_required()
        if problem is TOO_SLOW:
            self._joined.is_arriving = False  # the client has had its time
            self.transport.close()
        else:
            close_slowly(self._transport)

    # Time

    def _wait(self, seconds: float, end: Callable[[], None]) -> None:
        """Call ``end`` in so many seconds, unless data arrives first. uvicorn's timer is the only one."""
        self.timeout_keep_alive_task = self.loop.call_later(seconds, end)

    def _wait_for_head(self) -> None:
        self._wait(max(0.0, self._head_until - self.loop.time()), self._head_is_late)

    def _head_is_late(self) -> None:
        if self.flow.read_paused:  # this server is not reading, so the client is not at fault
            self._head_until = self.loop.time() + conf.header_seconds
            self._wait_for_head()
        else:
            self._refuse(TOO_SLOW)

    def pause_writing(self) -> None:
        """See asyncio.Protocol. Aborts if the client does not read for long, which frees the unsent bytes."""
        super().pause_writing()
        self._unread_timer = self.loop.call_later(conf.send_seconds, self._transport.abort)

    def resume_writing(self) -> None:
        """See asyncio.Protocol."""
        super().resume_writing()
        self._stop_waiting_for_reader()

    def _stop_waiting_for_reader(self) -> None:
        if self._unread_timer is not None:
            self._unread_timer.cancel()
            self._unread_timer = None

    def _leave_the_count(self) -> None:
        self._limit.leave(self._counted_as)
        self._counted_as = ""
