"""The answer to requests in Django's own cycle while the database is away.

For held requests, ``views/page.py`` has the same function.
"""

from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse
from django.utils.deprecation import MiddlewareMixin

from checkout import problems
from checkout.web.pages import payment_page_of
from messaging.concurrency.database import note_failure


class OutageMiddleware(MiddlewareMixin):
    """A middleware that answers 503 with ``Retry-After`` if a view, or a lazy query, finds no database."""

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        """See Django's "Middleware"."""
        return unavailable(request, exception)


def unavailable(request: HttpRequest, error: BaseException | None) -> HttpResponse | None:
    """Return the 503 response for an error that means that the database is away, and None for any other."""
    if not isinstance(error, OperationalError | InterfaceError):
        return None
    note_failure(error)
    return problems.respond(request, problems.UNAVAILABLE, back=payment_page_of(request))
