"""Queues for the admission of requests that take a thread: one for log-ins, one for all other pages.

Django gives each of these requests a thread, which takes a database connection. Without a limit, a burst of
such requests would take all threads and connections, and leave none to held requests. Requests therefore wait
on the event loop before Django takes a thread, and a request that finds its queue full is refused at once.

Hashing a password is slow by design: it keeps a processor busy for a part of a second and takes 16 MB.
Log-ins therefore have a queue of their own.

Attackers from many networks can fill a queue. So a request to the back office from a browser or a network in
which staff have logged in before is counted separately. It gets a slot however many unknown clients wait, and
runs after the requests that already wait.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from io import BytesIO
from time import perf_counter
from typing import Any, cast

from asgiref.sync import sync_to_async
from django.core.handlers.asgi import ASGIRequest
from django.db import close_old_connections
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.urls import ResolverMatch

from messaging import traces
from messaging.logs import work
from payments_gateway.serving.clients import ClientCounter, client_of
from payments_gateway.serving.conf import conf
from payments_gateway.serving.problems import Problem
from payments_gateway.serving.request_spans import note_response, request_span
from payments_gateway.serving.request_work import Describe, RequestWork
from payments_gateway.serving.scope import MATCH, REFUSED, Application, Receive, Scope, Send
from payments_gateway.serving.security.unreadable import UnreadableRefused
from payments_gateway.serving.tallies import answers

# The key in a request's scope under which its slot is.
SLOT = "serving.slot"


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits of one queue.

    ``at_once`` requests may run at the same time. ``most`` may run or wait in total, ``most_of_client`` for
    one client.
    """

    at_once: int
    most: int
    most_of_client: int


@dataclass
class AdmissionQueue:
    """The waiting and the running requests.

    Known and unknown clients are counted separately, each up to the limits.
    """

    name: str
    limits: Callable[[], Limits]
    _strangers: ClientCounter = field(init=False)
    _known: ClientCounter = field(init=False)
    # The semaphore that a request holds while it has a thread.
    turn: asyncio.Semaphore = field(default_factory=asyncio.Semaphore)

    def __post_init__(self) -> None:
        self._strangers, self._known = ClientCounter(self.name), ClientCounter(f"{self.name}_of_staff")

    def enter(self, client: str, *, is_known: bool) -> Problem | None:
        """Count the client in, or return why it is refused."""
        limits = self.limits()
        if not self.length:
            # A semaphore belongs to the event loop of its waiters. There are none now, so it can be replaced.
            self.turn = asyncio.Semaphore(limits.at_once)
        clients = self._known if is_known else self._strangers
        return clients.enter(client, most=limits.most, most_of_client=limits.most_of_client)

    def leave(self, client: str, *, is_known: bool) -> None:
        """Remove a client that was counted in."""
        (self._known if is_known else self._strangers).leave(client)

    @property
    def length(self) -> int:
        """The number of requests that wait or run."""
        return self._strangers.total + self._known.total


log_ins = AdmissionQueue(
    "log_ins", lambda: Limits(conf.passwords_at_once, conf.max_log_ins, conf.max_log_ins_per_address)
)
pages = AdmissionQueue(
    "pages", lambda: Limits(conf.pages_at_once, conf.max_pages, conf.max_pages_per_address)
)


@dataclass
class Slot:
    """The place of one admitted request in a queue. Further calls of ``leave`` do nothing."""

    queue: AdmissionQueue
    client: str
    is_known: bool
    has_left: bool = False

    def leave(self) -> None:
        """Make room for another request."""
        if not self.has_left:
            self.has_left = True
            self.queue.leave(self.client, is_known=self.is_known)


class PageHandler(UnreadableRefused):
    """A handler that admits requests up to the limits in the settings, and runs a limited number at once.

    ``refuse`` answers a request whose scope contains the reason for its refusal. Django's own handler would
    switch to a thread five times, which costs as much as a short page. ``is_known`` returns True if a request
    for the admin comes from a browser or a network in which staff have logged in before.
    """

    def __init__(
        self,
        *,
        is_known: Callable[[HttpRequest], Awaitable[bool]],
        refuse: Application,
        describe: Describe,
    ) -> None:
        super().__init__()
        self._is_known = is_known
        self._refuse = refuse
        self._describe = describe

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or refuse it."""
        match: ResolverMatch | None = scope.get(MATCH)
        # Django's own handler makes the error page for an address without a view.
        refuse = super().__call__ if match is None else self._refuse
        if REFUSED in scope:
            await refuse(scope, receive, send)
            return
        queue, client = _queue_of(scope["method"], match), client_of(scope)
        is_admin = match is not None and match.app_names[:1] == ["admin"]
        is_known = is_admin and await self._is_of_staff(scope)
        if problem := queue.enter(client, is_known=is_known):
            scope[REFUSED] = problem
            await refuse(scope, receive, send)
            return
        slot = scope[SLOT] = Slot(queue, client, is_known)
        try:
            await super().__call__(scope, receive, send)
        finally:
            slot.leave()

    async def _is_of_staff(self, scope: Scope) -> bool:
        # This request is only for the check; Django makes another one, with the body.
        request, _ = self.create_request(scope, BytesIO())
        return request is not None and await self._is_known(request)

    async def get_response_async(self, request: HttpRequest) -> HttpResponseBase:
        """See BaseHandler. The slot is given up before a slow client reads the response."""
        scope = cast(Scope, cast(ASGIRequest, request).scope)
        request.resolver_match = scope.get(MATCH)  # for the middleware, which may refuse the request
        work.begin(RequestWork(request, self._describe))
        if not traces.is_on():
            return await self._respond_in_turn(request, scope)
        with request_span(request, self._describe) as span:
            response = await self._respond_in_turn(request, scope)
            note_response(span, response)
            return response

    async def _respond_in_turn(self, request: HttpRequest, scope: Scope) -> HttpResponseBase:
        slot: Slot | None = scope.get(SLOT)
        if slot is None:
            return await self._respond(request)
        try:
            async with slot.queue.turn:
                return await self._respond(request)
        finally:
            slot.leave()

    def resolve_request(self, request: HttpRequest) -> Any:
        """See BaseHandler. Middleware may change the arguments, but not those of the cached match."""
        match = request.resolver_match
        if match is None or hasattr(request, "urlconf"):
            return super().resolve_request(request)
        return match.func, match.args, dict(match.kwargs)

    async def _respond(self, request: HttpRequest) -> HttpResponseBase:
        """Respond, and return the thread's database connection before a slow client reads the response."""
        begin = perf_counter()
        try:
            response = await super().get_response_async(request)
        finally:
            await sync_to_async(close_old_connections)()
        match = request.resolver_match
        answers.note(perf_counter() - begin, "page", match.view_name if match else "", response.status_code)
        return response


def _queue_of(method: str, match: ResolverMatch | None) -> AdmissionQueue:
    is_log_in = method == "POST" and match is not None and match.view_name == "admin:login"
    return log_ins if is_log_in else pages
