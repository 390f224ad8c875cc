"""Everything that can go wrong in a request, as one clear page or one problem document (RFC 9457)."""

import json
from dataclasses import dataclass, field
from typing import Any

from django.db import DatabaseError, InterfaceError
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string

from checkout.errors import (
    AmountNotAvailable,
    CheckoutError,
    DuplicateRequest,
    IllegalTransition,
    NotificationRejected,
    OperationRejected,
    PaymentNotFound,
    ProviderAccountNotFound,
    SenderNotAllowed,
    TokenRejected,
)

# What a view may raise that is no fault of its own; anything else is a defect and must be seen as one.
EXPECTED = (CheckoutError, DatabaseError, InterfaceError)

JSON_PATHS = ("/notifications/", "/api/", "/livez", "/readyz")


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a request is not answered as asked. ``detail`` is for the reader and gives nothing away."""

    status: int
    code: str
    title: str
    detail: str
    headers: dict[str, str] = field(default_factory=dict)


NOT_FOUND = Problem(404, "not_found", "Page not found", "There is nothing at this address.")
PAYMENT_NOT_FOUND = Problem(
    404,
    "payment_not_found",
    "Payment not found",
    "We do not know this payment. Please start again in the shop.",
)
ACCOUNT_NOT_FOUND = Problem(
    404, "account_not_found", "Account not found", "There is no such provider account."
)
TOKEN_UNKNOWN = Problem(
    404,
    "token_rejected",
    "Address not valid",
    "This address is not valid for this payment. Nothing has changed.",
)
TOKEN_EXPIRED = Problem(
    410,
    "token_expired",
    "This took too long",
    "This address has expired and can no longer be used. The payment's own page says where it stands.",
)
CONFLICT = Problem(
    409,
    "conflict",
    "Not possible at this stage",
    "The payment has moved on, so this can no longer be done. The payment's own page says where it stands.",
)
MALFORMED = Problem(
    400, "malformed", "Request not understood", "What was sent could not be read. Nothing has changed."
)
NOTIFICATION_MALFORMED = Problem(
    400,
    "notification_rejected",
    "Notification not readable",
    "The notification could not be read and was not kept.",
)
CARD_NUMBER = Problem(
    400,
    "card_number",
    "A card number has no place here",
    "Card numbers are accepted only encrypted by the browser. What was sent has been thrown away.",
)
REJECTED = Problem(400, "rejected", "Not possible", "This cannot be done as asked. Nothing has changed.")
FORM_EXPIRED = Problem(
    403,
    "csrf_failed",
    "This form is no longer valid",
    "Nothing has been paid. Please go back, reload the page and try again. This site needs cookies for that.",
)
FORBIDDEN = Problem(403, "forbidden", "Not allowed", "You may not do this.")
TOO_SLOW = Problem(
    408, "too_slow", "Request took too long", "The request did not arrive in time. Please try again."
)
TOO_LARGE = Problem(
    413, "too_large", "Request too large", "More was sent than is accepted here. Nothing has changed."
)
TOO_MANY = Problem(
    429,
    "too_many_requests",
    "Too much at once",
    "Too many requests from your network are waiting for an answer here. Nothing has changed. "
    "Please wait a moment and try again.",
    {"Retry-After": "5"},
)
FULL = Problem(
    503,
    "full",
    "Too busy right now",
    "Too many people are waiting for an answer here. Nothing has changed. "
    "Please wait a moment and try again.",
    {"Retry-After": "5"},
)
UNAVAILABLE = Problem(
    503,
    "unavailable",
    "Not available right now",
    "We could not do this at the moment. Please wait a little and load the page again.",
    {"Retry-After": "5"},
)
BROKEN = Problem(
    500,
    "internal_error",
    "Something went wrong here",
    "This is our fault, and we have been told. Nothing is lost.",
)


def method_not_allowed(allowed: tuple[str, ...]) -> Problem:
    """Return the problem of a method that an address does not take."""
    return Problem(
        405,
        "method_not_allowed",
        "Not possible at this address",
        "This address cannot be opened directly.",
        {"Allow": ", ".join(allowed)},
    )


def problem_of(error: Exception) -> Problem:
    """Turn one of the ``EXPECTED`` errors into what the outside may know of it."""
    match error:
        case PaymentNotFound():
            return PAYMENT_NOT_FOUND
        case ProviderAccountNotFound():
            return ACCOUNT_NOT_FOUND
        case TokenRejected():
            return TOKEN_EXPIRED if error.is_expired else TOKEN_UNKNOWN
        case IllegalTransition() | AmountNotAvailable() | DuplicateRequest():
            return CONFLICT
        case OperationRejected():
            return REJECTED
        case SenderNotAllowed():
            return FORBIDDEN
        case NotificationRejected():
            return NOTIFICATION_MALFORMED
        case _:
            return UNAVAILABLE


def respond(request: HttpRequest, problem: Problem, *, back: str = "") -> HttpResponse:
    """Return the problem as a page or, for programs, as JSON. ``back`` is the address the page leads to."""
    if wants_json(request):
        body = json.dumps(document_of(problem), ensure_ascii=False)
        content_type = "application/problem+json"
    else:
        body = render_to_string("checkout/problem.html", {"problem": problem, "back": back}, request=request)
        content_type = "text/html; charset=utf-8"
    headers = {"Cache-Control": "no-store", **problem.headers}
    return HttpResponse(body, status=problem.status, content_type=content_type, headers=headers)


def document_of(problem: Problem) -> dict[str, Any]:
    """Return the problem's members (RFC 9457, section 3.1)."""
    return {
        "type": f"urn:checkout:problem:{problem.code}",
        "title": problem.title,
        "status": problem.status,
        "detail": problem.detail,
    }


def wants_json(request: HttpRequest) -> bool:
    """Whether a program is asking, rather than a person with a browser."""
    if request.path.startswith(JSON_PATHS) or request.path.endswith(".json"):
        return True
    preferred = request.get_preferred_type(["text/html", "application/json", "application/problem+json"])
    return preferred is not None and preferred != "text/html"
