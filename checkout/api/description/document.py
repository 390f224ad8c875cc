"""The OpenAPI document as it is served: the file that ``python -m scripts.openapi`` has written."""

from functools import cache
from pathlib import Path

from django.http import HttpRequest, HttpResponse

from checkout.api.answers import catalogue, exceptions
from checkout.api.answers.refusal import refusal
from payments_gateway.serving.views import csrf_exempt, for_programs, on_event_loop

FILE = Path(__file__).parent / "openapi.json"
METHODS = ("GET", "HEAD", "OPTIONS")


@csrf_exempt  # this view only reads: a POST gets 405
@for_programs
@on_event_loop
async def openapi(request: HttpRequest) -> HttpResponse:
    """Return the document, which is the same for all and needs no key."""
    if request.method not in METHODS:
        error = refusal(catalogue.METHOD_NOT_ALLOWED, headers={"Allow": ", ".join(METHODS)})
        return exceptions.respond(request, error)
    if request.method == "OPTIONS":
        return HttpResponse(status=204, headers={"Allow": ", ".join(METHODS)})
    headers = {"Cache-Control": "public, max-age=300"}
    return HttpResponse(_read(), content_type="application/json", headers=headers)


@cache
def _read() -> bytes:
    return FILE.read_bytes()
