"""Django's request cycle for requests that wait: on the event loop from end to end.

Django's own ASGI handler gives every request a thread of its own until it ends (its request signals, each
stock middleware and the closing of the response go through it), so a thousand held requests would be a
thousand threads. This handler uses none. In return there is no session, no user and no message in these
requests, and database work is done by ``messaging.concurrency.database.in_thread`` only, which returns its
connection.
"""

import asyncio
from functools import lru_cache
from http import HTTPStatus
from io import BytesIO
from typing import Any, cast

from asgiref.sync import sync_to_async
from django.core.handlers.asgi import ASGIHandler, get_script_prefix
from django.core.handlers.exception import response_for_exception
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.middleware.csrf import CsrfViewMiddleware
from django.urls import ResolverMatch, URLResolver, get_resolver, set_script_prefix
from django.utils.log import log_response

from checkout.limits import ANSWER, WHEN_LEFT, Answer, Message, Receive, Scope, Send
from checkout.scrubbing import scrub_text
from checkout.security import CardNumberGuardMiddleware, ContentSecurity, encoded_headers

# What is held, or must not meet a session: the shopper comes back from the ACS without a cookie.
PATHS = ("/checkout/", "/notifications/", "/livez", "/readyz")

WATCH_AFTER_SECONDS = 0.05
# Of ours only those with a token in them are longer, which are asked for once. Others may be invented.
LONGEST_KEPT_PATH = 80


class HeldRequestHandler(ASGIHandler):
    """Runs asynchronous views behind three middlewares that are known to stay on the event loop.

    They are called as the functions that they are, in one coroutine: Django has two for each middleware, all
    of which would wait with every request. The settings' middleware is for everything else.
    """

    def load_middleware(self, is_async: bool = True) -> None:
        """See BaseHandler."""
        self._guard = CardNumberGuardMiddleware(_unreachable)
        self._csrf: Any = CsrfViewMiddleware(_unreachable)

    async def get_response_async(self, request: HttpRequest) -> HttpResponse:
        """See BaseHandler: the same URLs and answers to errors. Views are coroutines and return no stream."""
        try:
            response: Any = await self._refusal(request)
            if response is None:
                view, args, kwargs = cast(ResolverMatch, request.resolver_match)
                response = await view(request, *args, **kwargs)
                self.check_response(response, view)
                if response.streaming or not getattr(response, "is_rendered", True):
                    raise TypeError(f"{view.__name__} has to return a whole response.")
        except Exception as error:
            response = await sync_to_async(response_for_exception, thread_sensitive=False)(request, error)
        self._csrf.process_response(request, response)
        if response.status_code >= HTTPStatus.BAD_REQUEST:
            log_it = sync_to_async(log_response, thread_sensitive=False)
            path = scrub_text(request.path)
            await log_it("%s: %s", response.reason_phrase, path, response=response, request=request)
        return cast(HttpResponse, response)

    async def _refusal(self, request: HttpRequest) -> HttpResponseBase | None:
        """Do what comes before the view, which is found by the way."""
        request.content_security = ContentSecurity()  # type: ignore[attr-defined]
        self._csrf.process_request(request)
        refusal = await self._guard.before_on_loop(request)
        if refusal is None:
            refusal = self._csrf.process_view(request, *self.resolve_request(request))
        return refusal

    def resolve_request(self, request: HttpRequest) -> ResolverMatch:
        """See BaseHandler. Pages that poll ask for the same addresses again and again."""
        path = request.path_info
        resolve = _resolve_again if len(path) <= LONGEST_KEPT_PATH else _resolve
        request.resolver_match = resolve(get_resolver(), path)
        return request.resolver_match

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, whose body ``BodyLimit`` hands on in one piece.

        A client that leaves cancels the wait, never the work.
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
        request._body = body  # which Django would copy out of a stream otherwise
        del message  # what is in a variable here is kept until the answer comes
        watch = _Watch(scope, receive)
        try:
            response = await self.get_response_async(request)
            await _send(response, request, scope, send)
        except asyncio.CancelledError:
            # Somebody else, the server for one, may have cancelled this task in the same moment.
            if not watch.has_left or watch.task.uncancel():
                raise
        finally:
            watch.end()


async def _send(response: HttpResponse, request: HttpRequest, scope: Scope, send: Send) -> None:
    """Send what the view answers, with the headers that every response has."""
    content = response.content
    headers = [(name.encode("ascii"), value.encode("latin-1")) for name, value in response.items()]
    for cookie in response.cookies.values():
        headers.append((b"Set-Cookie", cookie.OutputString().encode("ascii")))
    headers += encoded_headers(request, response)
    answer: Answer | None = scope.get(ANSWER)
    if answer is None or not answer(send, response.status_code, headers, content):
        if not response.has_header("Content-Length"):
            headers.append((b"Content-Length", b"%d" % len(content)))
        await send({"type": "http.response.start", "status": response.status_code, "headers": headers})
        await send({"type": "http.response.body", "body": content})
    request.close()


def _resolve(resolver: URLResolver, path: str) -> ResolverMatch:
    return resolver.resolve(path)


_resolve_again = lru_cache(maxsize=1024)(_resolve)


def _unreachable(request: HttpRequest) -> HttpResponseBase:
    """Stand in for the next handler of a middleware whose hooks are called directly. It is never called."""
    raise NotImplementedError


class _Watch:
    """Cancels the current task when its client leaves.

    Our server calls. Any other is asked, which takes a task: late, since most requests are answered before.
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
        """Watch no longer."""
        if self._calls is not None:
            self._calls.remove(self._on_left)
        if self._timer is not None:
            self._timer.cancel()
        if self._asking is not None:
            self._asking.remove_done_callback(self._on_left)
            self._asking.cancel()

    def _ask(self) -> None:
        # The body has been read: what still comes is the news that the client has left.
        self._asking = asyncio.ensure_future(self._receive())
        self._asking.add_done_callback(self._on_left)

    def _on_left(self, _asking: object = None) -> None:
        self.has_left = True
        self.task.cancel()
