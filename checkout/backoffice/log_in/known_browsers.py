"""Browsers in which staff have logged in. A signed cookie identifies each of them.

OWASP calls it a device cookie ("Slow Down Online Guessing Attacks with Device Cookies"). Wrong passwords in a
known browser count for that browser only, and those in other browsers do not count for it. So a stolen cookie
does not make guessing faster.
"""

import secrets
from dataclasses import dataclass
from typing import Any

from django.contrib.auth.signals import user_logged_in
from django.core import signing
from django.http import HttpRequest, HttpResponseBase
from django.urls import reverse
from django.utils.deprecation import MiddlewareMixin

from checkout.conf import conf

COOKIE = "checkout_staff_browser"
_SALT = "checkout.backoffice.log_in.known_browsers"
_COOKIE_TO_SET = "_known_browser_cookie"


@dataclass(frozen=True, slots=True)
class KnownBrowser:
    """A browser, and the name of the user who logged in with it last."""

    user: str
    id: str


def browser_of(request: HttpRequest) -> KnownBrowser | None:
    """Return the browser that sent the request; None if no user has logged in with it lately."""
    try:
        user, id = signing.loads(request.COOKIES.get(COOKIE, ""), salt=_SALT, max_age=conf.retention)
    except signing.BadSignature:
        return None
    return KnownBrowser(user, id)


class KnownBrowserMiddleware(MiddlewareMixin):
    """A middleware that sends the cookie of a known browser with the response to a log-in."""

    def process_response(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        """See Django's "Middleware"."""
        if cookie := getattr(request, _COOKIE_TO_SET, None):
            response.set_cookie(
                COOKIE,
                cookie,
                max_age=conf.retention,
                path=reverse("admin:index"),
                secure=conf.is_tls,
                httponly=True,
                samesite="Lax",
            )
        return response


def _remember(request: HttpRequest, user: Any, **_signal: object) -> None:
    browser = [user.get_username(), secrets.token_hex(16)]
    setattr(request, _COOKIE_TO_SET, signing.dumps(browser, salt=_SALT))


def remember_browsers() -> None:
    """Set up the signal handler that makes a browser known when a user logs in."""
    user_logged_in.connect(_remember, dispatch_uid="checkout.known_browsers")
