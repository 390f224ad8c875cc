"""The base of all views: an asynchronous ``dispatch`` around DRF's synchronous parts.

DRF's authentication, permissions, throttles, parsers and serializers, and the action itself, run one after
another in one database thread. If the request has to wait for the result of its action, it gives the thread
back and waits on the event loop. DRF's own ``dispatch`` would keep a thread for the whole wait.
"""

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from functools import cached_property
from typing import Any, ClassVar, cast

import structlog
from django.db import DatabaseError, InterfaceError
from django.http import HttpRequest, HttpResponse
from rest_framework.request import Request
from rest_framework.views import APIView

from checkout.api.access.authentication import HasScope, KeyAuthentication, KeyThrottle
from checkout.api.access.held_requests import held_requests, under_way
from checkout.api.access.scopes import Scope
from checkout.api.answers import catalogue, exceptions
from checkout.api.answers.answer import Answer
from checkout.api.answers.refusal import header_error, refusal
from checkout.api.models import ApiKey
from checkout.api.requests.description import Described, IdempotencyKey
from checkout.api.requests.fields import read
from checkout.api.requests.held import Waiting, to_its_end
from checkout.api.requests.idempotency import HEADER, Keyed, key_of
from checkout.api.requests.ids import require_ids
from checkout.api.requests.json_body import StrictJsonParser
from checkout.api.requests.preferences import Preference, preference_in
from checkout.api.requests.query import read_query, require_no_query
from checkout.api.requests.versions import HEADER as API_VERSION_HEADER, version_of
from checkout.conf.api import API_VERSION
from checkout.payments.models import Merchant
from messaging import crash_points
from messaging.concurrency.database import in_thread
from payments_gateway.serving.problems import TOO_MANY
from payments_gateway.serving.views import for_programs, held

MEDIA_TYPES = ["application/json", "application/problem+json"]
# Tasks that outlive their request. They are referenced here, because asyncio may collect other tasks before
# they end.
_background: set["asyncio.Task[Any]"] = set()


class ApiView(APIView):
    """A view. Its synchronous methods (``get`` ...) return an ``Answer``, a ``Held`` or a ``HeldList``.

    ``methods`` has the description of each method.
    """

    view_is_async = True
    parser_classes = (StrictJsonParser,)
    authentication_classes = (KeyAuthentication,)
    permission_classes = (HasScope,)
    throttle_classes = (KeyThrottle,)
    methods: ClassVar[Mapping[str, Described]] = {}

    quota_headers: Mapping[str, str] = {}
    preference = Preference(0)
    api_version = API_VERSION
    is_counted = False
    # Functions that still run in a database thread after the client has left.
    _left_behind: "asyncio.Future[Any] | None" = None

    def scope_of(self, method: str) -> Scope:
        """Return the scope that a method needs."""
        return self._described(method).scope

    def _described(self, method: str) -> Described:
        return self.methods["GET" if method == "HEAD" else method]

    @property
    def allowed_methods(self) -> list[str]:
        """The methods that the view supports. OPTIONS needs no key."""
        return [*self.methods, *(["HEAD"] if "GET" in self.methods else []), "OPTIONS"]

    @property
    def merchant(self) -> Merchant:
        """The merchant to whom the request's key belongs."""
        return cast(Merchant, self.request.user)

    @property
    def key(self) -> ApiKey:
        """The request's API key."""
        return cast(ApiKey, self.request.auth)

    @property
    def by(self) -> str:
        """The name under which records mention the requester."""
        return f"API key {self.key.prefix}"

    @cached_property
    def body(self) -> dict[str, Any]:
        """The validated body. Raises an error that names the invalid fields."""
        serializer = self._described(self.request.method or "").body
        if serializer is None:
            return {}
        return read(serializer, self.request.data)

    @property
    def query(self) -> dict[str, Any]:
        """The validated query. Raises a refusal that names the invalid parameters."""
        serializer = self._described(self.request.method or "").query
        return {} if serializer is None else read_query(self.request, serializer)

    @property
    def idempotency_key(self) -> Keyed | None:
        """The key of the request; None if the request has no key and needs none. Raises a refusal.

        An invalid body is refused first: hashes of unexpected fields could take gigabytes of memory.
        """
        use = self._described(self.request.method or "").key
        if use is IdempotencyKey.IGNORED:
            return None
        _ = self.body
        keyed = key_of(self.request, self.merchant.code, cast("dict[str, Any]", self.request.data))
        if keyed is None and use is IdempotencyKey.REQUIRED:
            raise header_error(catalogue.KEY_REQUIRED, HEADER)
        return keyed

    async def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:  # type: ignore[override]
        """Answer a request. Every error becomes a problem document."""
        try:
            response = (await self._answer(request)).response()
        except Exception as error:
            response = exceptions.respond(request, error)
        headers = {API_VERSION_HEADER: self.api_version, **self.quota_headers}
        if self.preference.applied and response.status_code < 400:
            headers["Preference-Applied"] = self.preference.applied
        for name, value in headers.items():
            response.headers.setdefault(name, value)
        return response

    async def _answer(self, request: HttpRequest) -> Answer:
        header = request.META.get("HTTP_AUTHORIZATION", "")
        if not under_way.enter(header):
            raise refusal(
                TOO_MANY, "Too many requests of this API key are under way. Repeat the request later."
            )
        try:
            return await self._answer_counted(request)
        finally:
            if self._left_behind is None:
                under_way.leave(header)
            else:
                self._left_behind.add_done_callback(lambda _: under_way.leave(header))

    async def _answer_counted(self, request: HttpRequest) -> Answer:
        beginning = asyncio.ensure_future(in_thread(self._begin, request))
        try:
            begun = await asyncio.shield(beginning)
        except asyncio.CancelledError:
            self._left_behind = beginning
            beginning.add_done_callback(self._when_begun_in_vain)
            raise
        except Exception:
            self._leave()
            raise
        if request.method == "POST":
            crash_points.reached("web.intent_committed")
        try:
            return begun if isinstance(begun, Answer) else await self._result_of(begun)
        finally:
            self._leave()

    async def _result_of(self, begun: Waiting) -> Answer:
        try:
            await begun.wait()
            return await to_its_end(begun.finish)
        except (DatabaseError, InterfaceError):
            return begun.first  # the answer is true nevertheless, because the action is committed
        except asyncio.CancelledError:
            self._left_behind = _run(in_thread(begun.release))
            raise

    def _begin(self, request: HttpRequest) -> Answer | Waiting:
        """Carry out the action. This runs in a database thread."""
        method = request.method or ""
        if method not in self.allowed_methods:
            raise refusal(catalogue.METHOD_NOT_ALLOWED, headers={"Allow": ", ".join(self.allowed_methods)})
        if method == "OPTIONS":
            return Answer(204, b"", {"Allow": ", ".join(self.allowed_methods)})
        act: Callable[..., Answer | Waiting] = getattr(self, method.lower())
        # DRF treats a body without a declared length, which HTTP allows, as empty.
        request.META["CONTENT_LENGTH"] = str(len(request.body))
        self.request = self.initialize_request(request, *self.args, **self.kwargs)
        self.initial(self.request)
        require_ids(self.kwargs.values())
        described = self._described(method)
        if described.reads_body:
            require_no_query(request)
        if described.may_be_held:
            self._enter(request, is_held_by_default=described.is_held_by_default)
        return act(self.request, *self.args, **self.kwargs)

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Check the key, its limits and the headers. These checks are the same for all views."""
        if request.META.get("HTTP_ACCEPT") and request.get_preferred_type(MEDIA_TYPES) is None:
            raise refusal(catalogue.NOT_ACCEPTABLE)
        self.perform_authentication(request)
        self.api_version = version_of(request, self.key)
        # The limit comes first, so that it counts requests that lack the permission as well.
        self.check_throttles(request)
        self.check_permissions(request)
        if request.META.get("HTTP_CONTENT_ENCODING", "identity").lower() != "identity":
            raise refusal(catalogue.UNSUPPORTED_MEDIA_TYPE)

    def _enter(self, request: HttpRequest, *, is_held_by_default: bool) -> None:
        self.preference = preference_in(
            request.META.get("HTTP_PREFER", ""), is_held_by_default=is_held_by_default
        )
        if self.preference.seconds > 0:
            if not held_requests.enter(self.key.pk):
                raise refusal(catalogue.TOO_MANY_HELD)
            self.is_counted = True

    def _leave(self) -> None:
        if self.is_counted:
            self.is_counted = False
            held_requests.leave(self.key.pk)

    def _when_begun_in_vain(self, beginning: "asyncio.Future[Answer | Waiting]") -> None:
        """Stop counting a request whose client has left, and release the result of its action."""
        self._leave()
        if beginning.cancelled() or beginning.exception() is not None:
            return
        begun = beginning.result()
        if not isinstance(begun, Answer):
            _run(in_thread(begun.release))


def _run(work: Coroutine[Any, Any, Any]) -> "asyncio.Task[Any]":
    task = asyncio.ensure_future(work)
    _background.add(task)
    task.add_done_callback(_when_done)
    return task


def _when_done(task: "asyncio.Task[Any]") -> None:
    _background.discard(task)
    if not task.cancelled() and task.exception() is not None:
        structlog.get_logger(__name__).info("not released", reason=repr(task.exception()))


def endpoint(view: type[ApiView]) -> Any:
    """Return the function that serves an address for programs. It runs on the event loop."""
    return held(for_programs(cast(Any, view.as_view())))
