"""While the database is away: the page that says so, for requests that Django's own request cycle answers.

Requests that wait have theirs from ``views/page.py``.
"""

import structlog
from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse
from django.utils.deprecation import MiddlewareMixin

from checkout import problems
from messaging.concurrency.database import drop_dead_connections

log = structlog.get_logger(__name__)


class OutageMiddleware(MiddlewareMixin):
    """Answers 503 with ``Retry-After`` where a view, or what it reads lazily, finds no database."""

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        """See Django's "Middleware"."""
        return unavailable(request, exception)


def unavailable(request: HttpRequest, error: BaseException | None) -> HttpResponse | None:
    """Return the 503 for an error that says that the database is away, and None for any other."""
    if not isinstance(error, OperationalError | InterfaceError):
        return None
    log.warning("database away", path=request.path, reason=repr(error))
    drop_dead_connections()
    return problems.respond(request, problems.UNAVAILABLE)
