"""Django's request cycle for requests that wait: on the event loop from end to end.

Django's own ASGI handler gives every request a thread of its own until it ends (its request signals, each
stock middleware and the closing of the response go through it), so a thousand held requests would be a
thousand threads. This handler uses none. In return there is no session, no user and no message in these
requests, and database work is done by ``checkout.database.in_thread`` only, which returns its connection.
"""

import asyncio
from io import BytesIO
from typing import Any, cast

from django.core.exceptions import RequestAborted
from django.core.handlers.asgi import ASGIHandler, get_script_prefix
from django.core.handlers.exception import convert_exception_to_response
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.middleware.csrf import CsrfViewMiddleware
from django.urls import set_script_prefix

from checkout.limits import Message, Receive, Scope, Send
from checkout.security import CardNumberGuardMiddleware, ContentSecurity, encoded_headers

# What is held, or must not meet a session: the shopper comes back from the ACS without a cookie.
PATHS = ("/checkout/", "/notifications/", "/livez", "/readyz")

WATCH_AFTER_SECONDS = 0.05


class EventLoopCsrfMiddleware(CsrfViewMiddleware):
    """Django's protection; nothing in it blocks, so nothing of it needs a thread."""

    async def __acall__(self, request: HttpRequest) -> HttpResponseBase:
        self.process_request(request)
        return self.process_response(request, await self.get_response(request))  # type: ignore[misc]

    async def process_view(self, *arguments: Any) -> HttpResponseBase | None:  # type: ignore[override]
        return super().process_view(*arguments)


class HeldRequestHandler(ASGIHandler):
    """Runs asynchronous views with three middlewares that are known to stay on the event loop.

    Security headers and the guard against card numbers are plain functions here, without two coroutines for
    each. The settings' middleware is for everything else.
    """

    def load_middleware(self, is_async: bool = True) -> None:
        """See BaseHandler."""
        innermost = convert_exception_to_response(self._get_response_async)  # type: ignore[attr-defined]
        csrf = EventLoopCsrfMiddleware(innermost)
        self._view_middleware: list[Any] = [csrf.process_view]
        self._template_response_middleware: list[Any] = []
        self._exception_middleware: list[Any] = []
        self._csrf: Any = convert_exception_to_response(csrf)
        self._guard = CardNumberGuardMiddleware(self._csrf)
        self._middleware_chain = convert_exception_to_response(self._respond)

    async def _respond(self, request: HttpRequest) -> HttpResponseBase:
        request.content_security = ContentSecurity()  # type: ignore[attr-defined]
        refusal = self._guard.before(request)
        return refusal or await self._csrf(request)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request. A client that leaves cancels the wait, never the work."""
        try:
            body = await self.read_body(receive)
        except RequestAborted:
            return
        with body:
            set_script_prefix(get_script_prefix(scope))
            request, refusal = self.create_request(scope, body)
            if request is None:
                await self.send_response(cast(HttpResponseBase, refusal), send)
                return
            watch = _Watch(receive)
            try:
                await self._answer(request, send)
            except asyncio.CancelledError:
                # Somebody else, the server for one, may have cancelled this task in the same moment.
                if not watch.has_left or watch.task.uncancel():
                    raise
            finally:
                watch.end()

    async def read_body(self, receive: Receive) -> BytesIO:
        """Take what ``BodyLimit`` has read: it is of bounded size, and in memory already."""
        parts: list[bytes] = []
        is_over = False
        while not is_over:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise RequestAborted
            parts.append(message.get("body", b""))
            is_over = not message.get("more_body", False)
        return BytesIO(b"".join(parts))  # of one part: the same bytes, which are in memory once

    async def _answer(self, request: HttpRequest, send: Send) -> None:
        response = await self.get_response_async(request)
        if isinstance(response, HttpResponse):
            response.headers.setdefault("Content-Length", str(len(response.content)))
        security = encoded_headers(request, response)

        async def send_with_security(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"].extend(security)
            await send(message)

        await self.send_response(response, send_with_security)
        request.close()


class _Watch:
    """Cancels the current task when its client leaves. Begins late: most requests are answered before."""

    def __init__(self, receive: Receive) -> None:
        self.has_left = False
        self.task = cast("asyncio.Task[None]", asyncio.current_task())
        self._receive = receive
        self._leaving: asyncio.Future[Message] | None = None
        self._timer = asyncio.get_running_loop().call_later(WATCH_AFTER_SECONDS, self._begin)

    def end(self) -> None:
        """Watch no longer."""
        self._timer.cancel()
        if self._leaving is not None:
            self._leaving.remove_done_callback(self._on_left)
            self._leaving.cancel()

    def _begin(self) -> None:
        # The body has been read: what still comes is the news that the client has left.
        self._leaving = asyncio.ensure_future(self._receive())
        self._leaving.add_done_callback(self._on_left)

    def _on_left(self, _leaving: "asyncio.Future[Message]") -> None:
        self.has_left = True
        self.task.cancel()
