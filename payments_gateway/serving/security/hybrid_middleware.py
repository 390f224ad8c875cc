"""A base class of middlewares for requests on the event loop and in threads, without blocking either."""

from collections.abc import Awaitable, Callable
from typing import cast

from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.http import HttpRequest, HttpResponseBase

GetResponse = Callable[[HttpRequest], HttpResponseBase | Awaitable[HttpResponseBase]]


class HybridMiddleware:
    """A middleware of two plain functions that runs in both kinds of handler, without a change of thread."""

    sync_capable = async_capable = True

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response
        self._is_async = iscoroutinefunction(get_response)
        if self._is_async:
            markcoroutinefunction(self)

    def __call__(self, request: HttpRequest) -> HttpResponseBase | Awaitable[HttpResponseBase]:
        if self._is_async:
            return self._respond(request)
        response = self.before(request) or cast(HttpResponseBase, self.get_response(request))
        self.after(request, response)
        return response

    async def _respond(self, request: HttpRequest) -> HttpResponseBase:
        response = await self.before_on_loop(request) if self.blocks(request) else self.before(request)
        if response is None:
            response = await cast(Awaitable[HttpResponseBase], self.get_response(request))
        self.after(request, response)
        return response

    def before(self, request: HttpRequest) -> HttpResponseBase | None:
        """Return a response to answer the request without calling any inner handler, or None."""
        return None

    def blocks(self, request: HttpRequest) -> bool:
        """Return True if ``before`` would block the event loop, so that ``before_on_loop`` has to be used."""
        return False

    async def before_on_loop(self, request: HttpRequest) -> HttpResponseBase | None:
        """Do the same as ``before`` without blocking the event loop."""
        return self.before(request)

    def after(self, request: HttpRequest, response: HttpResponseBase) -> None:
        """Change the response."""
