"""The cookie of a browser whose shopper a customer session has identified as the customer of one payment."""

from datetime import timedelta

from django.http import HttpRequest, HttpResponse
from django.urls import reverse

from checkout.conf import conf

COOKIE = "customer"
_SALT = "checkout.web.customer"
_LIFETIME = timedelta(minutes=30)


def remember_customer(response: HttpResponse, reference: str) -> None:
    """Let the browser that gets this response see the saved cards of the payment's customer for a while."""
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
    """Return True if the browser has opened a customer session of this payment, not long ago."""
    known = request.get_signed_cookie(COOKIE, default="", salt=_SALT, max_age=_LIFETIME)
    return known == reference
