"""Pages for what no view answers. Django calls them by these names, see ``payments_gateway.urls``."""

import sys

from django.http import HttpRequest, HttpResponse, HttpResponsePermanentRedirect
from django.urls import Resolver404, resolve

from checkout import problems
from checkout.outage import unavailable
from checkout.security import csrf_exempt


@csrf_exempt  # nothing can be forged where nothing is done, and a program would look for a form
async def no_such_page(request: HttpRequest) -> HttpResponse:
    """Answer every address that is not ours, in development too; an address of ours lacks a slash at most."""
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
    """Django's own middleware, too, finds that the database is away: when it saves a session, for one."""
    return unavailable(request, sys.exception()) or problems.respond(request, problems.BROKEN)


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    return problems.respond(request, problems.FORM_EXPIRED)
