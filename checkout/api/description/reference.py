"""The reference of the API for people: Swagger UI, which shows the OpenAPI document.

Swagger UI comes with the package ``drf-spectacular-sidecar``, so the page loads nothing from elsewhere. The
strict policy of all pages suffices for it: it needs no inline scripts, styles or ``eval``.
"""

from functools import cache

from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string

from checkout import problems
from payments_gateway.serving.views import csrf_exempt, on_event_loop


@csrf_exempt  # it only reads
@on_event_loop
async def reference(request: HttpRequest) -> HttpResponse:
    """Return the page, which is the same for all and needs no key."""
    if request.method not in ("GET", "HEAD"):
        return problems.respond(request, problems.method_not_allowed(("GET", "HEAD")))
    return HttpResponse(_page(), headers={"Cache-Control": "public, max-age=300"})


@cache
def _page() -> str:
    return render_to_string("api/reference.html")
