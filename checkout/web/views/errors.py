"""Pages for requests that no view answers. ``payments_gateway.urls`` gives their names to Django."""

import sys

from django.http import HttpRequest, HttpResponse, HttpResponsePermanentRedirect
from django.urls import Resolver404

from checkout import problems
from checkout.web.outage import unavailable
from checkout.web.pages import payment_page_of
from checkout.web.protection.card_guard import exempt_from_card_guard
from payments_gateway.serving.problems import MALFORMED
from payments_gateway.serving.views import (
    csrf_exempt,
    for_programs,
    for_unknown_addresses,
    held,
    is_ours,
    look_up,
)


# No action at an unknown address could be forged, and a program would otherwise get a CSRF error. The view is
# held, so that requests for invented addresses take no thread.
@csrf_exempt
@for_unknown_addresses
@held
async def no_such_page(request: HttpRequest) -> HttpResponse:
    """Answer an unknown address, or redirect if only its final slash is missing."""
    return _redirect_or_refuse(request)


@csrf_exempt
@exempt_from_card_guard
@for_programs
@for_unknown_addresses
@held
async def no_such_program_address(request: HttpRequest) -> HttpResponse:
    """Answer an unknown address among the addresses for programs, with a problem document."""
    return _redirect_or_refuse(request)


def _redirect_or_refuse(request: HttpRequest) -> HttpResponse:
    if request.method in ("GET", "HEAD") and not request.path.endswith("/"):
        try:
            if is_ours(look_up(f"{request.path_info}/")):
                return HttpResponsePermanentRedirect(f"{request.path}/")
        except Resolver404:
            pass
    return problems.respond(request, problems.NOT_FOUND)


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    return problems.respond(request, MALFORMED)


def permission_denied(request: HttpRequest, exception: Exception) -> HttpResponse:
    return problems.respond(request, problems.FORBIDDEN)


def page_not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    return problems.respond(request, problems.NOT_FOUND)


def server_error(request: HttpRequest) -> HttpResponse:
    """Answer 503 if Django's own middleware could not reach the database, as for a session, else 500."""
    outage = unavailable(request, sys.exception())
    return outage or problems.respond(request, problems.broken_for(request), back=payment_page_of(request))


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    return problems.respond(request, problems.FORM_EXPIRED, back=payment_page_of(request))
