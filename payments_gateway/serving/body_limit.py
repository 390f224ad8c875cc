"""Limits on the size of a request's body and on the time to read it, applied before it is spooled.

Django's ASGI handler spools a whole body before any middleware runs, without a limit of size or time.
"""

import asyncio

from payments_gateway.serving.conf import conf
from payments_gateway.serving.problems import MALFORMED, TOO_LARGE, TOO_SLOW, RefusedError
from payments_gateway.serving.process.graceful_shutdown import drain
from payments_gateway.serving.scope import ARRIVED, REFUSED, Application, Message, Receive, Scope, Send

# The additional time that a body gets when the process is about to end.
LAST_SECONDS = 1.0


class BodyLimit:
    """A middleware that reads every request's body: at most ``max_bytes``, within ``read_seconds``.

    A body also has to arrive within ``conf.body_grace_seconds`` plus its time at
    ``conf.body_bytes_per_second``.

    A refused body is replaced by an empty one, and the refusal is stored in the scope. The inner middleware
    answers with that refusal, so that all answers look alike. A client that disconnects early gets no answer.
    """

    def __init__(self, application: Application, *, max_bytes: int, read_seconds: float) -> None:
        self._application = application
        self._max_bytes = max_bytes
        self._read_seconds = read_seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._application(scope, receive, send)
            return
        body: bytes | None = b""
        if REFUSED not in scope:  # the body of a request that was refused earlier is not read
            try:
                body = await self._body_of(scope, receive)
            except RefusedError as error:
                scope[REFUSED] = error.problem
        if body is None:
            return
        if REFUSED in scope:
            send = _closing(send)
        await self._application(scope, _Replay(body, receive), send)

    async def _body_of(self, scope: Scope, receive: Receive) -> bytes | None:
        """Return the body, or None if the client disconnects before its end."""
        declared = _declared_length(scope)
        if declared is None:
            raise RefusedError(MALFORMED)
        if declared > self._max_bytes:
            raise RefusedError(TOO_LARGE)
        arrived: bytearray | None = scope.pop(ARRIVED, None)
        return await self._read_in_time(receive) if arrived is None else self._taken(arrived)

    def _taken(self, arrived: bytearray) -> bytes:
        """Return the body that has arrived, and take it from the server, which keeps no copy."""
        if len(arrived) > self._max_bytes:
            raise RefusedError(TOO_LARGE)
        body = bytes(arrived)
        arrived.clear()
        return body

    async def _read_in_time(self, receive: Receive) -> bytes | None:
        try:
            async with asyncio.timeout(None) as limit:
                pace = _Pace(limit, self._read_seconds)
                with drain.shortens(limit, to_seconds=LAST_SECONDS):
                    return await self._read(receive, pace)
        except TimeoutError:
            raise RefusedError(TOO_SLOW) from None

    async def _read(self, receive: Receive, pace: "_Pace") -> bytes | None:
        body = bytearray()
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                return None
            body += message.get("body", b"")
            if len(body) > self._max_bytes:
                raise RefusedError(TOO_LARGE)
            if not message.get("more_body", False):
                return bytes(body)
            pace.has_come_to(len(body))


class _Pace:
    """A time limit that is extended as a body arrives, up to a fixed end."""

    def __init__(self, limit: asyncio.Timeout, most_seconds: float) -> None:
        self._limit = limit
        self._rate = conf.body_bytes_per_second
        now = asyncio.get_running_loop().time()
        self._begin, self._end = now + conf.body_grace_seconds, now + most_seconds
        limit.reschedule(self._at(0))

    def has_come_to(self, received: int) -> None:
        """Extend the limit by the time for the bytes received, unless the shutdown has shortened it."""
        if not drain.has_begun and not self._limit.expired():
            self._limit.reschedule(self._at(received))

    def _at(self, received: int) -> float:
        return min(self._end, self._begin + received / self._rate) if self._rate else self._end


def _declared_length(scope: Scope) -> int | None:
    """Return the Content-Length, 0 if there is none, or None if it is not a number."""
    # A dictionary is faster than a loop. The server has refused requests that have a header twice.
    value: bytes = dict(scope["headers"]).get(b"content-length", b"0")
    return int(value) if value.isdigit() else None


class _Replay:
    """A ``receive`` that returns the body once, then the disconnection. A closure would be larger."""

    __slots__ = ("_message", "_receive")

    def __init__(self, body: bytes, receive: Receive) -> None:
        self._message: Message | None = {"type": "http.request", "body": body, "more_body": False}
        self._receive = receive

    async def __call__(self) -> Message:
        if self._message is not None:
            message, self._message = self._message, None
            return message
        while (message := await self._receive())["type"] != "http.disconnect":
            pass
        return message


def _closing(send: Send) -> Send:
    """Return a ``send`` that closes the connection, which is unusable because the refused body is unread."""

    async def send_and_close(message: Message) -> None:
        if message["type"] == "http.response.start":
            message = {**message, "headers": [*message["headers"], (b"connection", b"close")]}
        await send(message)

    return send_and_close
