"""The state of a payment as a JSON document: ``status.json``, and the answer of ``pay`` to programs."""

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import reverse
from django.utils.cache import get_conditional_response
from django.utils.http import parse_etags

from checkout.states import PaymentState
from checkout.web.pages import next_path

POLL_SECONDS = 2


def respond_with_state(reference: str, state: PaymentState) -> HttpResponse:
    """Answer 200 if the payment is decided, else 202 with the address and time of the next query."""
    response = JsonResponse(
        {
            "reference": reference,
            "state": state.value,
            "is_final": state.is_decided,
            "is_paid": state.is_paid,
            "next": next_path(reference, state),
        }
    )
    _describe(response, state)
    if not state.is_decided:
        response.status_code = 202
        response.headers["Location"] = reverse("checkout:status_json", args=[reference])
    return response


def is_known(request: HttpRequest, state: PaymentState) -> bool:
    """Return True if the client has this version of the document (RFC 9110, section 13.1.2)."""
    known = parse_etags(request.headers.get("If-None-Match", ""))
    return "*" in known or _etag(state) in {etag.removeprefix("W/") for etag in known}


def known_state(request: HttpRequest, state: PaymentState) -> HttpResponse | None:
    """Return a 304 if the client has this version of the document, or else None.

    The document need not be rendered for this, because an address has one document for each state.
    """
    response = get_conditional_response(request, etag=_etag(state))
    assert response is None or isinstance(response, HttpResponse)  # noqa: S101  it is one of Django's own
    if response is not None:
        _describe(response, state)
    return response


def _describe(response: HttpResponse, state: PaymentState) -> None:
    response.headers["ETag"] = _etag(state)
    if not state.is_decided:
        response.headers["Retry-After"] = str(POLL_SECONDS)


def _etag(state: PaymentState) -> str:
    return f'"{state.value}"'
