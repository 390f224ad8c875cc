"""All problems with which requests are answered, as pages or as problem documents (RFC 9457)."""

import json
from dataclasses import replace
from functools import lru_cache
from math import ceil

from django.db import DatabaseError, InterfaceError
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.utils import translation
from django.utils.cache import patch_vary_headers
from django.utils.translation import gettext_noop as _

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
from checkout.languages import ENGLISH, LANGUAGES, Counted, language_of, translated
from messaging.errors import MessagingError
from payments_gateway.serving.problems import Problem, document_of, refuse, request_id_of
from payments_gateway.serving.views import is_for_programs

# Errors that views may raise although they have no bug. Any other error is a bug, and reported as one.
EXPECTED = (CheckoutError, MessagingError, DatabaseError, InterfaceError)

# Shoppers who came by a payment link have no shop to return to.
ORDER_AGAIN = _("To pay, order again, or ask the seller for a new link.")

NOT_FOUND = Problem(404, "not_found", _("Page not found"), _("There is nothing at this address."))
FORBIDDEN = Problem(403, "forbidden", _("Not allowed"), _("You may not do this."))
UNAVAILABLE = Problem(
    503,
    "unavailable",
    _("Not available right now"),
    # The answer to a COMMIT may have been lost, so the text does not say that nothing was done.
    _(
        "This page cannot be shown at the moment. What you have sent may have reached us all the same. "
        "Please wait a little and load the page again."
    ),
    {"Retry-After": "5"},
)
BROKEN = Problem(
    500,
    "internal_error",
    _("Something went wrong here"),
    _("This is our fault."),
)
BROKEN_FOR_SHOPPERS = replace(
    BROKEN,
    detail=_(
        "This is our fault. If you have just paid, the payment may have reached us: do not pay again "
        "before you have seen where your payment stands."
    ),
)
PAYMENT_NOT_FOUND = Problem(
    404,
    "payment_not_found",
    _("Payment not found"),
    _("We do not know this payment. To pay, order again, or ask the seller for a new link."),
)
ACCOUNT_NOT_FOUND = Problem(
    404, "account_not_found", "Account not found", "There is no such provider account."
)
TOKEN_UNKNOWN = Problem(
    404,
    "token_rejected",
    _("Address not valid"),
    _("This address is not valid for this payment. Nothing has changed."),
)
TOKEN_EXPIRED = Problem(
    410,
    "token_expired",
    _("This took too long"),
    _("This address has expired and can no longer be used. The payment's own page says where it stands."),
)
# The problem's page reloads by itself until the provider has cancelled the order.
CHALLENGE_OVER = Problem(
    410,
    "challenge_over",
    _("The time at your bank is over"),
    _(
        "Your bank's page can no longer be used for this payment. Please do not pay again yet: we are "
        "finding out where the payment stands."
    ),
    {"Refresh": "10"},
)
LINK_NOT_FOUND = Problem(
    404,
    "payment_link_not_found",
    _("Link not found"),
    _("We do not know this link. Please look at the message that it came in, or ask its sender."),
)
LINK_CLOSED = Problem(
    410,
    "payment_link_closed",
    _("This link is no longer valid"),
    _("Nothing can be paid with this link any more. Please ask its sender for a new one."),
)
CONFLICT = Problem(
    409,
    "conflict",
    _("Not possible at this stage"),
    _(
        "The payment has moved on, so this can no longer be done. The payment's own page says where it "
        "stands."
    ),
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
    _("A card number has no place here"),
    _("Card numbers are accepted only encrypted by the browser. What was sent has been thrown away."),
)
REJECTED = Problem(
    400, "rejected", _("Not possible"), _("This cannot be done as asked. Nothing has changed.")
)
FORM_EXPIRED = Problem(
    403,
    "csrf_failed",
    _("This form is no longer valid"),
    # A payment may already have been made with the same form or in another tab.
    _(
        "What was sent with it was not accepted. Please go back and reload the page, which says where things "
        "stand. This site needs cookies for that."
    ),
)
CAPTCHA_REQUIRED = Problem(
    403,
    "captcha_required",
    _("One question first"),
    _(
        "Before a card is tried there is a question to answer, on the payment's own page. Nothing was "
        "charged."
    ),
)
TRIED_TOO_OFTEN = Problem(
    429,
    "too_many_attempts",
    _("Too many attempts"),
    _(
        "This payment was tried too often and cannot be tried again. Nothing was charged. To pay, order "
        "again, or ask the seller for a new link."
    ),
)


def too_many_attempts(retry_after_seconds: int | None) -> Problem:
    """Return the problem of too many tried cards, with the time to try again if that helps."""
    if retry_after_seconds is None:
        return TRIED_TOO_OFTEN
    if retry_after_seconds < 60:
        detail = Counted(
            "Too many cards have been tried from your network or for your e-mail address. Nothing was "
            "charged. You can try again in {count} second.",
            "Too many cards have been tried from your network or for your e-mail address. Nothing was "
            "charged. You can try again in {count} seconds.",
            retry_after_seconds,
        )
    else:
        detail = Counted(
            "Too many cards have been tried from your network or for your e-mail address. Nothing was "
            "charged. You can try again in {count} minute.",
            "Too many cards have been tried from your network or for your e-mail address. Nothing was "
            "charged. You can try again in {count} minutes.",
            ceil(retry_after_seconds / 60),
        )
    headers = {"Retry-After": str(retry_after_seconds)}
    return Problem(429, TRIED_TOO_OFTEN.code, TRIED_TOO_OFTEN.title, detail, headers)


def method_not_allowed(allowed: tuple[str, ...]) -> Problem:
    """Return the problem of a method that an address does not support."""
    return Problem(
        405,
        "method_not_allowed",
        _("Not possible at this address"),
        _("This address cannot be opened directly."),
        {"Allow": ", ".join(allowed)},
    )


def too_many_link_uses(retry_after_seconds: int) -> Problem:
    """Return the problem of a payment link's button that was used too often, with the time to try again."""
    return Problem(
        429,
        "too_many_link_uses",
        _("Please wait a moment"),
        Counted(
            "Too many payments have been begun in the last minute, with this link or from your network. "
            "Nothing was charged. Please use the link again in {count} second.",
            "Too many payments have been begun in the last minute, with this link or from your network. "
            "Nothing was charged. Please use the link again in {count} seconds.",
            retry_after_seconds,
        ),
        {"Retry-After": str(retry_after_seconds)},
    )


def link_without_payment(error: DuplicateRequest | RequestInvalid) -> Problem:
    """Return the problem of a payment link that cannot make a payment. The shopper needs another link."""
    return replace(
        problem_of(error),
        title=_("This link does not work at the moment"),
        detail=_(
            "No payment was begun, and nothing was charged. Please try the link once more. If it still "
            "does not work, ask its sender for a new one."
        ),
    )


def too_many_notifications(retry_after_seconds: int) -> Problem:
    """Return the problem of more unproven notifications than are accepted per minute."""
    return Problem(
        429,
        "too_many_notifications",
        "Too many notifications",
        "More notifications came over the public address than are taken there. This one was not kept.",
        {"Retry-After": str(retry_after_seconds)},
    )


def broken_for(request: HttpRequest) -> Problem:
    """Return the problem of an error of ours, with advice for shoppers who may just have paid."""
    is_for_staff = _home(request) == "admin:index"
    return BROKEN if is_for_staff or wants_json(request) else BROKEN_FOR_SHOPPERS


def problem_of(error: Exception) -> Problem:
    """Return the problem that a client may see for one of the ``EXPECTED`` errors."""
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
    """Return the problem as a page in the reader's language or, for programs, as JSON in English.

    The page has a link to ``back``.
    """
    headers = {"Cache-Control": "no-store", **problem.headers}
    if wants_json(request):
        document = document_of(problem)
        if is_for_programs(request.resolver_match):
            document |= {"code": problem.code, "request_id": request_id_of(request)}
        body = json.dumps(document, ensure_ascii=False)
        response = HttpResponse(
            body, status=problem.status, content_type="application/problem+json", headers=headers
        )
        return refuse(response, problem)
    home = _home(request)
    language = ENGLISH if home == "admin:index" else language_of(request)
    body = page_of(problem.status, problem.code, problem.title, problem.detail, back, home, language.code)
    response = HttpResponse(
        body, status=problem.status, content_type="text/html; charset=utf-8", headers=headers
    )
    response.headers["Content-Language"] = language.code
    patch_vary_headers(response, ["Accept-Language", "Cookie"])
    return refuse(response, problem)


def _home(request: HttpRequest) -> str:
    """Return the URL name of the page to which a problem page links: the start page, the shop, or none."""
    match = request.resolver_match
    if match is not None and "admin" in match.app_names:
        return "admin:index"
    return "checkout:shop" if conf.is_try_out else ""


@lru_cache(maxsize=512)
def page_of(status: int, code: str, title: str, detail: str, back: str, home: str, language: str) -> str:
    """Return the problem as a page. ``home`` is the URL name of the page to link to, or empty.

    The page is cached. It is the same for all clients, many requests are refused, and rendering costs most of
    a refusal.
    """
    with translation.override(language):
        context = {
            "status": status,
            "code": code,
            "title": translated(title),
            "detail": translated(detail),
            "back": back,
            "home": home,
            "language": LANGUAGES[language],
        }
        return render_to_string("checkout/problem.html", context)


def wants_json(request: HttpRequest) -> bool:
    """Return True if the client is a program rather than a person with a browser."""
    if is_for_programs(request.resolver_match) or request.path.endswith(".json"):
        return True
    preferred = request.get_preferred_type(["text/html", "application/json", "application/problem+json"])
    return preferred is not None and preferred != "text/html"
