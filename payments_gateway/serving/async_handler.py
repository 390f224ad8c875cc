"""Django's request cycle for held requests: on the event loop from beginning to end.

Django's own ASGI handler gives every request a thread until it ends, for its request signals, each stock
middleware and the closing of the response. A thousand held requests would need a thousand threads. This
handler uses none. Its requests have no session, no user and no messages, and use the database only through
``messaging.concurrency.database.in_thread``, which returns the connection.
"""

import asyncio
from collections.abc import Callable, Iterator
from functools import lru_cache
from http import HTTPStatus
from io import BytesIO
from time import perf_counter
from typing import Any, cast

from asgiref.sync import sync_to_async
from django.core.handlers.asgi import get_script_prefix
from django.core.handlers.exception import response_for_exception
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.middleware.csrf import CsrfViewMiddleware
from django.urls import ResolverMatch, set_script_prefix
from django.utils.log import log_response

from messaging import tallies, traces
from messaging.logs import work
from payments_gateway.serving.conf import conf
from payments_gateway.serving.http.whole_response import WITHOUT_BODY
from payments_gateway.serving.instrumentation import is_observed, observed
from payments_gateway.serving.problems import log_refusal, request_id_of
from payments_gateway.serving.request_spans import note_response, request_span
from payments_gateway.serving.request_work import Describe, RequestWork
from payments_gateway.serving.scope import (
    ANSWER,
    MATCH,
    WHEN_LEFT,
    Answer,
    Header,
    Message,
    Receive,
    Scope,
    Send,
)
from payments_gateway.serving.security.headers import ContentSecurity, content_security, encoded_headers
from payments_gateway.serving.security.hybrid_middleware import HybridMiddleware
from payments_gateway.serving.security.unreadable import UnreadableRefused
from payments_gateway.serving.tallies import answers, departures
from payments_gateway.serving.views import is_for_programs

WATCH_AFTER_SECONDS = 0.05


class HeldRequestHandler(UnreadableRefused):
    """A handler that runs asynchronous views behind three middlewares that stay on the event loop.

    The middlewares are called as plain functions in one coroutine. Django would keep two coroutines for each
    middleware while a request waits. The middleware in the settings serves all other requests.

    ``guard`` is the application's own middleware: it answers refused requests, and may refuse others.
    ``scrub`` takes secrets out of an address that is written into the log. ``describe`` returns the facts
    about a request for its log lines.
    """

    def __init__(
        self, *, guard: type[HybridMiddleware], scrub: Callable[[str], str], describe: Describe
    ) -> None:
        super().__init__()
        self._guard = guard(_unreachable)
        self._scrub = scrub
        self._describe = describe

    def load_middleware(self, is_async: bool = True) -> None:
        """See BaseHandler."""
        self._csrf: Any = CsrfViewMiddleware(_unreachable)

    async def get_response_async(self, request: HttpRequest) -> HttpResponse:
        """See BaseHandler, with the same URLs and error pages. Views are coroutines and do not stream."""
        begin = perf_counter() if tallies.is_on else 0.0
        try:
            response: Any = await self._refusal(request)
            if response is None:
                match = cast(ResolverMatch, request.resolver_match)
                response = await match.func(request, *match.args, **match.kwargs)
                self.check_response(response, match.func)
                if response.streaming or not getattr(response, "is_rendered", True):
                    raise TypeError(f"{match.func.__name__} has to return a whole response.")
        except Exception as error:
            response = await sync_to_async(response_for_exception, thread_sensitive=False)(request, error)
        self._csrf.process_response(request, response)
        if response.status_code >= HTTPStatus.BAD_REQUEST:
            await self._log(request, response)
        if tallies.is_on:
            view = request.resolver_match.view_name  # type: ignore[union-attr]
            answers.note(perf_counter() - begin, "held", view, response.status_code)
        return response  # type: ignore[no-any-return]

    async def _log(self, request: HttpRequest, response: HttpResponse) -> None:
        """Log a refusal or an error."""
        path = self._scrub(request.path)
        is_refused = response.status_code != HTTPStatus.INTERNAL_SERVER_ERROR
        if is_refused and is_for_programs(request.resolver_match):
            log_refusal(request, response, path)
        else:
            log_it = sync_to_async(log_response, thread_sensitive=False)
            await log_it("%s: %s", response.reason_phrase, path, response=response, request=request)

    async def _refusal(self, request: HttpRequest) -> HttpResponseBase | None:
        """Run the checks before the view. Return a response if the request is refused."""
        request.content_security = ContentSecurity()  # type: ignore[attr-defined]
        self._csrf.process_request(request)
        guard = self._guard
        refusal = await guard.before_on_loop(request) if guard.blocks(request) else guard.before(request)
        if refusal is None:
            match = cast(ResolverMatch, request.resolver_match)
            refusal = self._csrf.process_view(request, match.func, match.args, match.kwargs)
        return refusal

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, whose view ``ConcurrencyLimit`` has looked up.

        ``BodyLimit`` passes the body on in one piece. If the client disconnects, the request's wait is
        cancelled, and never the work that it waits for.
        """
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        if scope.get("root_path"):
            set_script_prefix(get_script_prefix(scope))
        body = message.get("body", b"")
        request, refusal = self.create_request(scope, BytesIO(body))
        if request is None:
            await self.send_response(cast(HttpResponseBase, refusal), send)
            return
        request.resolver_match = scope[MATCH]
        request._body = body  # otherwise Django would copy it out of a stream
        del message  # the variable would live until the request is answered
        work.begin(RequestWork(request, self._describe))
        watch = _Watch(scope, receive)
        try:
            if traces.is_on():
                await self._answer_traced(request, scope, send)
            elif is_observed():
                await self._answer_observed(request, scope, send)
            else:
                await _send(await self.get_response_async(request), request, scope, send)
        except asyncio.CancelledError:
            if watch.has_left:
                departures.add(scope[MATCH].view_name)
            # Something else, for example the server, may have cancelled this task at the same moment.
            if not watch.has_left or watch.task.uncancel():
                raise
        finally:
            watch.end()

    async def _answer_traced(self, request: HttpRequest, scope: Scope, send: Send) -> None:
        with request_span(request, self._describe) as span, observed(request) as exchange:
            exchange.response = await self.get_response_async(request)
            note_response(span, exchange.response)
            await _send(exchange.response, request, scope, send)

    async def _answer_observed(self, request: HttpRequest, scope: Scope, send: Send) -> None:
        with observed(request) as exchange:
            exchange.response = await self.get_response_async(request)
            await _send(exchange.response, request, scope, send)


async def _send(response: HttpResponse, request: HttpRequest, scope: Scope, send: Send) -> None:
    """Send the view's response, with the headers that every response has."""
    content = response.content
    usual, headers = _headers_of(response, request)
    answer: Answer | None = scope.get(ANSWER)
    if answer is None or not answer(send, response.status_code, headers, content, usual):
        if response.status_code not in WITHOUT_BODY and not response.has_header("Content-Length"):
            headers.append((b"Content-Length", b"%d" % len(content)))
        start = {"type": "http.response.start", "status": response.status_code, "headers": [*usual, *headers]}
        await send(start)
        await send({"type": "http.response.body", "body": content})
    request.close()


def _headers_of(response: HttpResponse, request: HttpRequest) -> tuple[tuple[Header, ...], list[Header]]:
    """Return the encoded headers in two parts: those that many responses share, and the others."""
    headers = [(b"Set-Cookie", cookie.OutputString().encode("ascii")) for cookie in response.cookies.values()]
    if is_for_programs(request.resolver_match):
        headers.append((b"Request-Id", request_id_of(request).encode("ascii")))
    policy = content_security(request)
    given = tuple(response.items())
    if policy.is_strict and response.status_code == HTTPStatus.OK:
        return _usual(given, is_tls=conf.is_tls), headers
    return (), [*_encoded(given, policy), *headers]


# Other responses have headers with values that rarely repeat, such as an address.
@lru_cache(maxsize=256)
def _usual(given: tuple[tuple[str, str], ...], *, is_tls: bool) -> tuple[Header, ...]:
    return tuple(_encoded(given, ContentSecurity()))


def _encoded(given: tuple[tuple[str, str], ...], policy: ContentSecurity) -> Iterator[Header]:
    for name, value in given:
        yield name.encode("ascii"), value.encode("latin-1")
    yield from encoded_headers(policy, (name for name, _ in given))


def _unreachable(request: HttpRequest) -> HttpResponseBase:
    """Stand in for the next handler of middlewares, whose methods are called directly. It never runs."""
    raise NotImplementedError


class _Watch:
    """A watch that cancels the current task when its client disconnects.

    Our own server calls back. With any other server, a task waits for the message of the disconnection. It
    starts late, because most requests are answered before.
    """

    def __init__(self, scope: Scope, receive: Receive) -> None:
        self.has_left = False
        self.task = cast("asyncio.Task[None]", asyncio.current_task())
        self._receive = receive
        self._asking: asyncio.Future[Message] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._calls = scope.get(WHEN_LEFT)
        if self._calls is None:
            self._timer = asyncio.get_running_loop().call_later(WATCH_AFTER_SECONDS, self._ask)
        else:
            self._calls.append(self._on_left)

    def end(self) -> None:
        """Stop watching."""
        if self._calls is not None:
            self._calls.remove(self._on_left)
        if self._timer is not None:
            self._timer.cancel()
        if self._asking is not None:
            self._asking.remove_done_callback(self._on_left)
            self._asking.cancel()

    def _ask(self) -> None:
        # The body has been read, so the only message to come is the client's disconnection.
        self._asking = asyncio.ensure_future(self._receive())
        self._asking.add_done_callback(self._on_left)

    def _on_left(self, _asking: object = None) -> None:
        self.has_left = True
        self.task.cancel()
