"""The answer to requests that Django's middleware handles while the database is unavailable.

``views/page.py`` does the same for held requests.
"""

from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse
from django.utils.deprecation import MiddlewareMixin

from checkout import problems
from checkout.web.pages import payment_page_of
from messaging.concurrency.database import note_failure


class OutageMiddleware(MiddlewareMixin):
    """A middleware that answers 503 with ``Retry-After`` if the database is unavailable to a view."""

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        """See Django's "Middleware"."""
        return unavailable(request, exception)


def unavailable(request: HttpRequest, error: BaseException | None) -> HttpResponse | None:
    """Return the 503 response if the error means that the database is unavailable; None for other errors."""
    if not isinstance(error, OperationalError | InterfaceError):
        return None
    note_failure(error)
    return problems.respond(request, problems.UNAVAILABLE, back=payment_page_of(request))
