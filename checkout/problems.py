"""All problems of a request, each as one clear page or one problem document (RFC 9457)."""

import json
from dataclasses import replace
from functools import lru_cache
from math import ceil

from django.db import DatabaseError, InterfaceError
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string

from checkout.conf import conf
from checkout.errors import (
    AmountNotAvailable,
    CaptchaRequired,
    CheckoutError,
    DuplicateRequest,
    IllegalTransition,
    NotificationFormatNotSupported,
    NotificationNotAuthentic,
    OperationRejected,
    PaymentLinkClosed,
    PaymentLinkNotFound,
    PaymentNotFound,
    ProviderAccountNotFound,
    RequestInvalid,
    SenderNotAllowed,
    TokenRejected,
    TooManyAttempts,
)
from messaging.errors import MessagingError
from payments_gateway.serving.problems import Problem, document_of, refuse, request_id_of
from payments_gateway.serving.views import is_for_programs

# Errors that a view may raise without being at fault. Any other error is a defect and must be reported as
# one.
EXPECTED = (CheckoutError, MessagingError, DatabaseError, InterfaceError)

# A shopper who came by a payment link has no shop to go back to.
ORDER_AGAIN = "To pay, order again, or ask the seller for a new link."

NOT_FOUND = Problem(404, "not_found", "Page not found", "There is nothing at this address.")
FORBIDDEN = Problem(403, "forbidden", "Not allowed", "You may not do this.")
UNAVAILABLE = Problem(
    503,
    "unavailable",
    "Not available right now",
    # The answer to a COMMIT may have been lost, so it is not said that nothing was done.
    "This page cannot be shown at the moment. What you have sent may have reached us all the same. "
    "Please wait a little and load the page again.",
    {"Retry-After": "5"},
)
BROKEN = Problem(
    500,
    "internal_error",
    "Something went wrong here",
    "This is our fault.",
)
BROKEN_FOR_SHOPPERS = replace(
    BROKEN,
    detail="This is our fault. If you have just paid, the payment may have reached us: do not pay again "
    "before you have seen where your payment stands.",
)
PAYMENT_NOT_FOUND = Problem(
    404,
    "payment_not_found",
    "Payment not found",
    f"We do not know this payment. {ORDER_AGAIN}",
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
# Its page looks again by itself, until the provider has cancelled the order.
CHALLENGE_OVER = Problem(
    410,
    "challenge_over",
    "The time at your bank is over",
    "Your bank's page can no longer be used for this payment. Please do not pay again yet: we are finding "
    "out where the payment stands.",
    {"Refresh": "10"},
)
LINK_NOT_FOUND = Problem(
    404,
    "payment_link_not_found",
    "Link not found",
    "We do not know this link. Please look at the message that it came in, or ask its sender.",
)
LINK_CLOSED = Problem(
    410,
    "payment_link_closed",
    "This link is no longer valid",
    "Nothing can be paid with this link any more. Please ask its sender for a new one.",
)
CONFLICT = Problem(
    409,
    "conflict",
    "Not possible at this stage",
    "The payment has moved on, so this can no longer be done. The payment's own page says where it stands.",
)
NOTIFICATION_NOT_AUTHENTIC = Problem(
    401,
    "notification_not_authentic",
    "Not authenticated",
    "The notification came with credentials that are not those of its account, and was not kept.",
    {"WWW-Authenticate": 'Basic realm="notifications", charset="UTF-8"'},
)
NOTIFICATION_FORMAT_NOT_SUPPORTED = Problem(
    415,
    "notification_format_not_supported",
    "Format not supported",
    "The notification was kept for our staff, but is in the format of another product. "
    "Please have the account set up for XML order notifications.",
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
    # A payment may have been made before, with the same form or in another tab.
    "What was sent with it was not accepted. Please go back and reload the page, which says where things "
    "stand. This site needs cookies for that.",
)
CAPTCHA_REQUIRED = Problem(
    403,
    "captcha_required",
    "One question first",
    "Before a card is tried there is a question to answer, on the payment's own page. Nothing was charged.",
)
TRIED_TOO_OFTEN = Problem(
    429,
    "too_many_attempts",
    "Too many attempts",
    f"This payment was tried too often and cannot be tried again. Nothing was charged. {ORDER_AGAIN}",
)


def too_many_attempts(retry_after_seconds: int | None) -> Problem:
    """Return the problem of too many cards, with the time to try again, if that helps."""
    if retry_after_seconds is None:
        return TRIED_TOO_OFTEN
    count, unit = retry_after_seconds, "second"
    if count >= 60:
        count, unit = ceil(count / 60), "minute"
    return Problem(
        429,
        "too_many_attempts",
        "Too many attempts",
        "Too many cards have been tried from your network or for your e-mail address. Nothing was charged. "
        f"You can try again in {count} {unit}{'' if count == 1 else 's'}.",
        {"Retry-After": str(retry_after_seconds)},
    )


def method_not_allowed(allowed: tuple[str, ...]) -> Problem:
    """Return the problem of a method that an address does not support."""
    return Problem(
        405,
        "method_not_allowed",
        "Not possible at this address",
        "This address cannot be opened directly.",
        {"Allow": ", ".join(allowed)},
    )


def too_many_link_uses(retry_after_seconds: int) -> Problem:
    """Return the problem of a payment link whose button is used too often, with the time to try again."""
    return Problem(
        429,
        "too_many_link_uses",
        "Please wait a moment",
        "Too many payments have been begun in the last minute, with this link or from your network. "
        f"Nothing was charged. Please use the link again in {retry_after_seconds} "
        f"second{'' if retry_after_seconds == 1 else 's'}.",
        {"Retry-After": str(retry_after_seconds)},
    )


def link_without_payment(error: DuplicateRequest | RequestInvalid) -> Problem:
    """Return the problem of a payment link that cannot make a payment. Its merchant has to make another."""
    return replace(
        problem_of(error),
        title="This link does not work at the moment",
        detail="No payment was begun, and nothing was charged. Please try the link once more. If it still "
        "does not work, ask its sender for a new one.",
    )


def too_many_notifications(retry_after_seconds: int) -> Problem:
    """Return the problem of more unproven notifications than are accepted within a minute."""
    return Problem(
        429,
        "too_many_notifications",
        "Too many notifications",
        "More notifications came over the public address than are taken there. This one was not kept.",
        {"Retry-After": str(retry_after_seconds)},
    )


def broken_for(request: HttpRequest) -> Problem:
    """Return the problem of a mistake of ours. Shoppers also read what to do if they have just paid."""
    is_for_staff = _home(request) == "admin:index"
    return BROKEN if is_for_staff or wants_json(request) else BROKEN_FOR_SHOPPERS


def problem_of(error: Exception) -> Problem:
    """Return the problem that the sender may see for one of the ``EXPECTED`` errors."""
    match error:
        case PaymentNotFound():
            return PAYMENT_NOT_FOUND
        case PaymentLinkNotFound():
            return LINK_NOT_FOUND
        case PaymentLinkClosed():
            return LINK_CLOSED
        case ProviderAccountNotFound():
            return ACCOUNT_NOT_FOUND
        case TokenRejected():
            return TOKEN_EXPIRED if error.is_expired else TOKEN_UNKNOWN
        case TooManyAttempts():
            return too_many_attempts(error.retry_after_seconds)
        case CaptchaRequired():
            return CAPTCHA_REQUIRED
        case IllegalTransition() | AmountNotAvailable() | DuplicateRequest():
            return CONFLICT
        case OperationRejected():
            return REJECTED
        case SenderNotAllowed():
            return FORBIDDEN
        case NotificationNotAuthentic():
            return NOTIFICATION_NOT_AUTHENTIC
        case NotificationFormatNotSupported():
            return NOTIFICATION_FORMAT_NOT_SUPPORTED
        case _:
            return UNAVAILABLE


def respond(request: HttpRequest, problem: Problem, *, back: str = "") -> HttpResponse:
    """Return the problem as a page or, for programs, as JSON. The page has a link to ``back``."""
    if wants_json(request):
        document = document_of(problem)
        if is_for_programs(request.resolver_match):
            document |= {"code": problem.code, "request_id": request_id_of(request)}
        body = json.dumps(document, ensure_ascii=False)
        content_type = "application/problem+json"
    else:
        body = page_of(problem.status, problem.code, problem.title, problem.detail, back, _home(request))
        content_type = "text/html; charset=utf-8"
    headers = {"Cache-Control": "no-store", **problem.headers}
    response = HttpResponse(body, status=problem.status, content_type=content_type, headers=headers)
    return refuse(response, problem)


def _home(request: HttpRequest) -> str:
    """Return the URL name of the page that leads on from a problem; empty for shoppers of another shop."""
    match = request.resolver_match
    if match is not None and "admin" in match.app_names:
        return "admin:index"
    return "checkout:shop" if conf.is_try_out else ""


@lru_cache(maxsize=128)
def page_of(status: int, code: str, title: str, detail: str, back: str, home: str) -> str:
    """Return the problem as a page, which is the same for all clients. ``home`` is a URL name, or empty.

    It is cached, since many requests are refused on purpose, and rendering the page is most of their cost.
    """
    problem = Problem(status, code, title, detail)
    context = {"problem": problem, "back": back, "home": home}
    return render_to_string("checkout/problem.html", context)


def wants_json(request: HttpRequest) -> bool:
    """Return True if the client is a program rather than a person with a browser."""
    if is_for_programs(request.resolver_match) or request.path.endswith(".json"):
        return True
    preferred = request.get_preferred_type(["text/html", "application/json", "application/problem+json"])
    return preferred is not None and preferred != "text/html"
