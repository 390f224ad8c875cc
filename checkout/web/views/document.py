"""The state of a payment as a JSON document: ``status.json``, and the answer of ``pay`` to programs."""

from hashlib import sha256

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import reverse
from django.utils.cache import get_conditional_response
from django.utils.http import parse_etags

from checkout.states import PaymentState
from checkout.web.pages import next_path

POLL_SECONDS = 2


def respond_with_state(reference: str, state: PaymentState) -> HttpResponse:
    """Answer 202 with the address and time of the next query until the payment is decided, then 200."""
    response = JsonResponse(
        {
            "reference": reference,
            "state": state.value,
            "is_final": state.is_decided,
            "is_paid": state.is_paid,
            "next": next_path(reference, state),
        }
    )
    response.headers["ETag"] = f'"{sha256(response.content).hexdigest()[:32]}"'
    if not state.is_decided:
        response.status_code = 202
        response.headers["Retry-After"] = str(POLL_SECONDS)
        response.headers["Location"] = reverse("checkout:status_json", args=[reference])
    return response


def is_known(request: HttpRequest, response: HttpResponse) -> bool:
    """Return True if the client has this version of the document (RFC 9110, section 13.1.2)."""
    known = parse_etags(request.headers.get("If-None-Match", ""))
    return "*" in known or response.headers["ETag"] in {etag.removeprefix("W/") for etag in known}


def unless_known(request: HttpRequest, response: HttpResponse) -> HttpResponse:
    """Return the response, or 304 if the client already has this version."""
    conditional = get_conditional_response(request, etag=response.headers["ETag"], response=response)
    assert isinstance(conditional, HttpResponse)  # noqa: S101  it is either the response or one of Django's own
    if conditional is not response and "Retry-After" in response.headers:
        conditional.headers["Retry-After"] = response.headers["Retry-After"]
    return conditional
