"""A middleware that keeps all the middleware of the settings in one thread.

Django adapts a chain wherever it changes between functions and coroutines. Its own middleware supports both;
as coroutines, each would switch to a thread and back before a view, and again after it. This middleware is
the innermost one and a plain function, so Django switches only once, before the first middleware.
"""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse
from django.utils.decorators import sync_only_middleware

GetResponse = Callable[[HttpRequest], HttpResponse]


@sync_only_middleware
def in_one_thread(get_response: GetResponse) -> GetResponse:
    """Return the next handler unchanged."""
    return get_response
