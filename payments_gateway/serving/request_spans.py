"""The span of a request (``messaging.traces``), without its address, query, headers or body."""

from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus

from django.http import HttpRequest, HttpResponseBase

from messaging import traces
from messaging.logs import work
from payments_gateway.serving.request_work import Describe

SAFE = ("GET", "HEAD", "OPTIONS")


@contextmanager
def request_span(request: HttpRequest, describe: Describe) -> Iterator[traces.Span]:
    """Record the span of a request. ``describe`` may name the request's ``subject``.

    The span of a request that may change its subject is in the subject's trace. Other requests, of which
    there may be any number, have traces of their own, with links to that trace. A trace that the client names
    is ignored.
    """
    match = request.resolver_match
    attributes: dict[str, traces.Value] = {"http.request.method": request.method or ""}
    if match is not None:
        attributes["http.route"] = f"/{match.route}"
    is_safe = request.method in SAFE
    with traces.entry(
        f"{request.method} {match.view_name if match is not None else 'unknown'}",
        "server",
        attributes,
        about=str(describe(request).get("subject", "")),
        is_late=is_safe,
    ) as span:
        try:
            yield span
        finally:
            work.note_on(span)


def note_response(span: traces.Span, response: HttpResponseBase) -> None:
    """Note the status of the response."""
    span.note("http.response.status_code", response.status_code)
    if response.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR:
        span.fail(str(response.status_code))
