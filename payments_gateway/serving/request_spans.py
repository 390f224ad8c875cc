"""The span of a request (``messaging.traces``). Neither its address, query, headers nor body are recorded."""

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

    A request that may change its subject belongs to the subject's trace. Others, of which there may be any
    number, have traces of their own, which are linked to it. What a client says of a trace is not used.
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
