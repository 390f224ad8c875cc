"""Pages for requests that no view answers. ``payments_gateway.urls`` gives their names to Django."""

import sys

from django.http import HttpRequest, HttpResponse, HttpResponsePermanentRedirect
from django.urls import Resolver404, resolve

from checkout.web import problems
from checkout.web.outage import unavailable
from checkout.web.protection.headers import csrf_exempt


@csrf_exempt  # nothing is done here that could be forged, and a program would otherwise get a CSRF error
async def no_such_page(request: HttpRequest) -> HttpResponse:
    """Answer an unknown address, in development too; redirect if only its final slash is missing."""
    if request.method in ("GET", "HEAD") and not request.path.endswith("/"):
        try:
            found = resolve(f"{request.path_info}/")
        except Resolver404:
            found = None
        if found and found.func is not no_such_page:
            return HttpResponsePermanentRedirect(f"{request.path}/")
    return problems.respond(request, problems.NOT_FOUND)


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    return problems.respond(request, problems.MALFORMED)


def permission_denied(request: HttpRequest, exception: Exception) -> HttpResponse:
    return problems.respond(request, problems.FORBIDDEN)


def page_not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    return problems.respond(request, problems.NOT_FOUND)


def server_error(request: HttpRequest) -> HttpResponse:
    """Answer 503 if Django's own middleware found no database, for example for a session; otherwise 500."""
    return unavailable(request, sys.exception()) or problems.respond(request, problems.BROKEN)


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    return problems.respond(request, problems.FORM_EXPIRED)
