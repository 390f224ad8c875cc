"""The cookie of a browser in which a customer session was opened, so that saved cards may be shown."""

from datetime import timedelta

from django.http import HttpRequest, HttpResponse
from django.urls import reverse

from checkout.conf import conf

COOKIE = "customer"
_SALT = "checkout.web.customer"
_LIFETIME = timedelta(minutes=30)


def remember_customer(response: HttpResponse, reference: str) -> None:
    """Set the cookie that lets this browser see the saved cards of the payment's customer for a while."""
    response.set_signed_cookie(
        COOKIE,
        reference,
        salt=_SALT,
        max_age=_LIFETIME,
        path=reverse("checkout:checkout", args=[reference]),
        secure=conf.is_tls,
        httponly=True,
        samesite="Lax",
    )


def is_customer(request: HttpRequest, reference: str) -> bool:
    """Return True if the browser has lately opened a customer session of this payment."""
    known = request.get_signed_cookie(COOKIE, default="", salt=_SALT, max_age=_LIFETIME)
    return known == reference
